"""Producers and consumers together: the load that the engine follows with a small lag."""

import asyncio
import json
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil

from benchmarks.child_processes import running_program
from benchmarks.meter import Meter
from benchmarks.status_line import ShowStatus, wait_until
from benchmarks.turn import Turn
from runtime.database.connections import Connection, connect
from runtime.settings.processes import UpSettings

_LAG_S = 1.0
_SESSIONS = 2_000
_POLL_S = 0.2
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
class FollowedLoad:
    """One try of a load. `rate`: events a second really published; `lag`: the largest one seen, in seconds.

    `cpu_seconds`: processor seconds of all processes; `events`: how many were folded meanwhile.
    """

    rate: float
    lag: float
    cpu_seconds: float
    events: float

    @property
    def good(self) -> bool:
        """Whether the engine followed."""
        return self.lag < _LAG_S

    def turn(self, value: float) -> Turn:
        """Make a turn of a value that was measured by this try or beside it, with the cost of this try."""
        return Turn(value, self.cpu_seconds, self.events)


async def first_rate_too_high(
    config: UpSettings, db: Connection, show_status: ShowStatus, *, start: float, step: float, probe_s: float
) -> float:
    """Find the first rate that is not followed for `probe_s`, from `start` on, each `step` times the last."""
    rate = start
    while (found := await follow_rate(config, db, rate, probe_s)).good and found.rate > 0.9 * rate:
        show_status(f"{found.rate:,.0f} events/s: lag {found.lag:.2f} s")
        rate *= step
    show_status(f"{found.rate:,.0f} events/s: lag {found.lag:.2f} s, too much")
    return rate


async def highest_rate(
    config: UpSettings, db: Connection, show_status: ShowStatus, *, below: float, step: float, live_s: float
) -> FollowedLoad:
    """Find the highest rate `below` one that is followed for `live_s` with a lag under a second."""
    rate = below
    while True:
        rate /= step**0.5
        found = await follow_rate(config, db, rate, live_s)
        show_status(f"{found.rate:,.0f} events/s for {live_s:.0f} s: lag {found.lag:.2f} s")
        if found.good or rate < 100:
            return found


async def follow_rate(config: UpSettings, db: Connection, rate: float, seconds: float) -> FollowedLoad:
    """Publish at `rate` for `seconds` while consumers run; then wait until they have folded everything."""
    arguments = ("-m", "benchmarks.steady_load", "--sessions", str(_SESSIONS), "--rate", str(round(rate)))
    loop = asyncio.get_running_loop()
    worst, began = 0.0, loop.time()
    async with running_program(config, *arguments, "--name", f"live{began:.0f}") as load:
        await asyncio.sleep(_WARM_S)
        meter, first = Meter(os.getpid()), await _number(db, _AT)
        while loop.time() - began < seconds + _WARM_S:
            await asyncio.sleep(_POLL_S)
            worst = max(worst, await _number(db, _LAG))
        output, _ = await load.communicate(b"")  # its input ends
    told = json.loads(output)
    await wait_until_folded(db)
    spent = meter.read()
    return FollowedLoad(told["rate"], worst, spent.cpu_seconds, await _number(db, _AT) - first)


async def wait_until_folded(db: Connection) -> None:
    """Wait until the checkpoint stays the same for a second: nothing is left of a load that has ended."""
    before = -1.0
    while (now := await _number(db, _AT)) != before:
        before = now
        await asyncio.sleep(1)


@dataclass(frozen=True, slots=True)
class SharedLoad:
    """A load that several consumers shared. `held`: the partitions of each; `work`: the work of each."""

    followed: FollowedLoad
    held: Sequence[int]
    work: Sequence[float]  # parts of their processor time, which add up to 1


async def share_load(config: UpSettings, replicas: int, rate: float, seconds: float) -> SharedLoad:
    """Publish at `rate` for `seconds` while so many consumers share the partitions."""
    async with AsyncExitStack() as stack:
        db = await stack.enter_async_context(await connect(config, name="bench-share"))
        consumers = [
            psutil.Process((await stack.enter_async_context(running_program(config, *CONSUMER))).pid)
            for _ in range(replicas)
        ]

        async def is_spread() -> bool:
            held = await _held(db)
            return len(held) == replicas and max(held) - min(held) <= 1

        await wait_until(is_spread, every=_POLL_S, timeout=60)
        before = [_busy(consumer) for consumer in consumers]
        found = await follow_rate(config, db, rate, seconds)
        took = [_busy(consumer) - earlier for consumer, earlier in zip(consumers, before, strict=True)]
        return SharedLoad(found, await _held(db), [one / sum(took) for one in took])


async def _held(db: Connection) -> Sequence[int]:
    return [row[0] async for row in await db.execute(_HELD)]


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _number(db: Connection, query: bytes) -> float:
    row = await (await db.execute(query)).fetchone()
    return float(row[0]) if row and row[0] is not None else 0.0
