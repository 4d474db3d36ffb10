"""Consumers' wall clocks jump by hours: leases, take-overs and rows do not care."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from runtime.database.connections import connect
from schemas.sessions.facts import HUNG
from tests.faults.judge import holders
from tests.faults.load import Load, under_load
from tests.faults.workload import publish_plainly
from tests.support.processes import CONSUMER, ROOT, Processes, ProcessUnderTest
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

_HOUR = 3_600
_TTL = 3.0  # more than a busy machine may hold up a process: who is late for that loses its leases by right
_HANGS = 16  # enough for either consumer to hold some of their partitions


class Clock:
    """The wall clock of one consumer."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file = folder / f"{name}.offset"
        self.set(0)

    def set(self, offset: int) -> None:
        """Seconds to add from now on."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(str(offset))
        fresh.replace(self.file)


def start(load: Load, name: str) -> tuple[ProcessUnderTest, Clock]:
    """A consumer with a clock of its own."""
    clock = Clock(load.processes.folder, name)
    paths = [Path(__file__).parent / "jumping", ROOT, ROOT / "producers" / "client"]
    path = os.pathsep.join(map(str, paths))
    extra = {"PYTHONPATH": path, "CLOCK_OFFSET": str(clock.file), "TZ": "UTC"}
    consumer = load.processes.start(name, CONSUMER, load.settings, **extra)
    load.consumers.append(consumer)
    return consumer, clock


async def test_wall_clocks_jump(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    await _jumps(own_nats, own_postgres, processes, jumps=[(-_HOUR, _HOUR)])


@pytest.mark.faults
@pytest.mark.timeout(600)
async def test_wall_clocks_jump_again_and_again(
    own_nats: NatsServer, own_postgres: PostgresServer, processes: Processes
) -> None:
    days = 24 * _HOUR
    await _jumps(
        own_nats,
        own_postgres,
        processes,
        jumps=[(-_HOUR,), (_HOUR,), (0, -5 * _HOUR), (400 * days, 0), (-days, days), (2, -4, 6)],
    )


async def _jumps(
    nats: NatsServer, postgres: PostgresServer, processes: Processes, *, jumps: list[tuple[int, ...]]
) -> None:
    """One of two jumps, both go on as before; then the one that jumped takes everything over, or loses it."""
    settings = line_settings(nats, postgres.dsn, lease_ttl=_TTL)
    async with under_load(settings, processes, consumers=0) as load:
        steady, _ = start(load, "steady")
        jumping, clock = start(load, "jumping-0")
        for consumer in (steady, jumping):
            await asyncio.to_thread(consumer.wait_for, "follows the line")
        await _shared(settings, [8, 8])
        for turn, offsets in enumerate(jumps):
            before = await holders(settings)
            for offset in offsets:
                clock.set(offset)
                await _folding_goes_on(load)
                await _recoveries(load, f"jump-{turn}-{offset}")
                assert await holders(settings) == before, "a jump of a wall clock moved leases"
            leaver, clock_left = (jumping, clock) if turn % 2 else (steady, None)
            leaver.kill()
            await _shared(settings, [16])
            await _folding_goes_on(load)
            joined, fresh = start(load, f"jumping-{turn + 1}")
            if clock_left is None:  # the one that jumped took over: it is the steady one from here on
                assert shifted(jumping, offsets[-1])
                steady = jumping
            jumping, clock = joined, fresh
            await asyncio.to_thread(joined.wait_for, "follows the line")
            await _shared(settings, [8, 8])


async def _shared(settings: Settings, expected: list[int]) -> None:
    async def so() -> bool:
        return sorted((await holders(settings)).values()) == expected

    await wait_until(so, 30, what=f"shares {expected}")


async def _folding_goes_on(load: Load) -> None:
    """What is acknowledged from now on is folded, in partitions of both."""
    async with await connect(load.settings, name="test-folding") as db:

        async def parts() -> dict[int, int]:
            cursor = await db.execute(
                "select part, coalesce((seqs->>'SESSIONS')::bigint, 0) from foldline.lease"
                " where follower = 'sessions'"
            )
            return dict(await cursor.fetchall())

        before = await parts()
        await load.published(50)

        async def further() -> bool:
            return sum(now > before[part] for part, now in (await parts()).items()) > len(before) / 2

        await wait_until(further, 30, what="folding goes on")


async def _recoveries(load: Load, name: str) -> None:
    """Sessions hang and come back: conclusions of the one whose clock is wrong count like any other."""
    hangs = [("event", json.dumps({"name": HUNG}).encode()), ("heartbeat", b"")]
    nc = await connect_bus(load.settings, name="test-hangs")
    for number in range(_HANGS):
        await publish_plainly(nc.jetstream(), f"{name}-{number}", hangs, load.record, lambda: 0)
    await close_bus(nc)

    async with await connect(load.settings, name="test-hangs") as db:

        async def all_recovered() -> bool:
            cursor = await db.execute(
                "select count(*) from sessions.session where id like %s and ever_recovered", (f"{name}-%",)
            )
            return await cursor.fetchone() == (_HANGS,)

        await wait_until(all_recovered, 30, what="recoveries from hangs")


def shifted(consumer: ProcessUnderTest, offset: int) -> bool:
    """Whether its log, written by its own clock, shows the jump: the test would prove nothing without."""
    expected = datetime.now(UTC) + timedelta(seconds=offset)
    stamps = [line[:19] for line in consumer.text().splitlines() if line[:2] == "20"]
    times = [datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) for stamp in stamps]
    return any(abs((one - expected).total_seconds()) < 60 for one in times)
