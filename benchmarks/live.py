"""Producers and consumers together: how much load the engine follows with a small lag."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from benchmarks.children import running
from benchmarks.say import Say, until
from runtime.postgres import Connection, connect
from runtime.settings import Settings

LAG_S = 1.0
_SESSIONS = 2_000
_LOOK_S = 0.2
_WARM_S = 2.0  # from the start of a load until its lag counts
_STEP = 1.2
_LAG = b"""
select extract(epoch from clock_timestamp() - min(stored_at))
from foldline.lease where follower = 'sessions'
"""
_AT = b"select max((seqs->>'SESSIONS')::bigint) from foldline.lease where follower = 'sessions'"
CONSUMER = ("-m", "foldline", "consumer")


@dataclass(frozen=True, slots=True)
class Followed:
    """One try: the rate that was really published, and the largest lag seen, seconds."""

    rate: float
    lag: float

    @property
    def good(self) -> bool:
        """Whether the engine followed."""
        return self.lag < LAG_S


async def highest(config: Settings, say: Say, *, start: float, probe_s: float, live_s: float) -> Followed:
    """The highest rate that is followed for `live_s` with a lag under a second.

    Rates are tried for `probe_s` from `start` on until one is too much, then lower ones for the whole time.
    """
    async with running(config, *CONSUMER), await connect(config, name="bench-live") as db:
        rate = start
        while (found := await follow(config, db, rate, probe_s)).good and found.rate > 0.9 * rate:
            say(f"{found.rate:,.0f} events/s: lag {found.lag:.2f} s")
            rate *= _STEP
        say(f"{found.rate:,.0f} events/s: lag {found.lag:.2f} s, too much")
        while True:
            rate /= _STEP**0.5
            found = await follow(config, db, rate, live_s)
            say(f"{found.rate:,.0f} events/s for {live_s:.0f} s: lag {found.lag:.2f} s")
            if found.good or rate < 100:
                return found


async def follow(config: Settings, db: Connection, rate: float, seconds: float) -> Followed:
    """Publish at `rate` for `seconds` while consumers run; then wait until they have folded everything."""
    arguments = ("-m", "benchmarks.steady", "--sessions", str(_SESSIONS), "--rate", str(round(rate)))
    loop = asyncio.get_running_loop()
    worst, began = 0.0, loop.time()
    async with running(config, *arguments, "--name", f"live{began:.0f}") as load:
        while (passed := loop.time() - began) < seconds + _WARM_S:
            await asyncio.sleep(_LOOK_S)
            if passed > _WARM_S:
                worst = max(worst, await _number(db, _LAG))
        output, _ = await load.communicate(b"")  # its input ends
    told = json.loads(output)
    await settled(db)
    return Followed(told["rate"], worst)


async def settled(db: Connection) -> None:
    """Until what is folded does not move any more: the load has ended and nothing is left of it."""
    before = -1.0
    while (now := await _number(db, _AT)) != before:
        before = now
        await asyncio.sleep(1)


async def caught_up(config: Settings, replicas: int, head: int) -> tuple[float, Sequence[int]]:
    """Fold what is stored with that many consumers: seconds, and the partitions each held at the end."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(await connect(config, name="bench-share"))
        began = loop.time()
        for _ in range(replicas):
            await stack.enter_async_context(running(config, *CONSUMER))

        async def there() -> bool:
            return await _number(db, _AT) >= head

        await until(there, every=_LOOK_S, most=3_600)
        seconds = loop.time() - began
        cursor = await db.execute(
            b"select count(*) from foldline.lease where follower = 'sessions' group by owner order by owner"
        )
        return seconds, [row[0] async for row in cursor]


async def _number(db: Connection, query: bytes) -> float:
    row = await (await db.execute(query)).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0
