"""Producers and consumers together: how much load the engine follows with a small lag."""

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil

from benchmarks.children import running
from benchmarks.meter import Meter
from benchmarks.say import Say, until
from benchmarks.turn import Turn
from runtime.database.connections import Connection, connect
from runtime.settings import Settings

LAG_S = 1.0
_SESSIONS = 2_000
_LOOK_S = 0.2
_WARM_S = 2.0  # from the start of a load until its lag counts
_LAG = b"""
select extract(epoch from clock_timestamp() - min(stored_at))
from foldline.lease where follower = 'sessions'
"""
_AT = b"select max((seqs->>'SESSIONS')::bigint) from foldline.lease where follower = 'sessions'"
_HELD = b"""
select count(*) from foldline.lease where follower = 'sessions' and owner is not null
group by owner order by owner
"""
CONSUMER = ("-m", "foldline", "consumer")


@dataclass(frozen=True, slots=True)
class Followed:
    """One try: the rate that was really published, and the largest lag seen, seconds.

    `cpu_seconds` is what all processes took, and `events` how many were folded meanwhile.
    """

    rate: float
    lag: float
    cpu_seconds: float
    events: float

    @property
    def good(self) -> bool:
        """Whether the engine followed."""
        return self.lag < LAG_S

    def turn(self, value: float) -> Turn:
        """A value that was found beside this try or in it, with what the try cost."""
        return Turn(value, self.cpu_seconds, self.events)


async def too_high(
    config: Settings, db: Connection, say: Say, *, start: float, step: float, probe_s: float
) -> float:
    """The first rate from `start` on that is not followed for `probe_s`, each `step` times the one before."""
    rate = start
    while (found := await follow(config, db, rate, probe_s)).good and found.rate > 0.9 * rate:
        say(f"{found.rate:,.0f} events/s: lag {found.lag:.2f} s")
        rate *= step
    say(f"{found.rate:,.0f} events/s: lag {found.lag:.2f} s, too much")
    return rate


async def highest(
    config: Settings, db: Connection, say: Say, *, below: float, step: float, live_s: float
) -> Followed:
    """The highest rate `below` one that is followed for `live_s` with a lag under a second."""
    rate = below
    while True:
        rate /= step**0.5
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
        await asyncio.sleep(_WARM_S)
        meter, first = Meter(os.getpid()), await _number(db, _AT)
        while loop.time() - began < seconds + _WARM_S:
            await asyncio.sleep(_LOOK_S)
            worst = max(worst, await _number(db, _LAG))
        output, _ = await load.communicate(b"")  # its input ends
    told = json.loads(output)
    await settled(db)
    spent = meter.read()
    return Followed(told["rate"], worst, spent.cpu_seconds, await _number(db, _AT) - first)


async def settled(db: Connection) -> None:
    """Until what is folded does not move any more: the load has ended and nothing is left of it."""
    before = -1.0
    while (now := await _number(db, _AT)) != before:
        before = now
        await asyncio.sleep(1)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a load was to some consumers: how it was followed; partitions and part of the work of each."""

    followed: Followed
    held: Sequence[int]
    work: Sequence[float]  # of the processor time of all


async def shared(config: Settings, replicas: int, rate: float, seconds: float) -> Shared:
    """Publish at `rate` for `seconds` while so many consumers share the partitions."""
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(await connect(config, name="bench-share"))
        consumers = [
            psutil.Process((await stack.enter_async_context(running(config, *CONSUMER))).pid)
            for _ in range(replicas)
        ]

        async def spread() -> bool:
            held = await _held(db)
            return len(held) == replicas and max(held) - min(held) <= 1

        await until(spread, every=_LOOK_S, most=60)
        before = [_busy(consumer) for consumer in consumers]
        found = await follow(config, db, rate, seconds)
        took = [_busy(consumer) - earlier for consumer, earlier in zip(consumers, before, strict=True)]
        return Shared(found, await _held(db), [one / sum(took) for one in took])


async def _held(db: Connection) -> Sequence[int]:
    return [row[0] async for row in await db.execute(_HELD)]


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _number(db: Connection, query: bytes) -> float:
    row = await (await db.execute(query)).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0
