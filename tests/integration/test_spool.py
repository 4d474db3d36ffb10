"""The spool: in order, bounded, and whole after SIGKILL at any instruction."""

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.job_admission import admit_job_event
from producers.sidecar.spool import Spool, Spooled, SpoolFull
from schemas.facts import Fact
from tests.support.jobs import job_event
from tests.support.processes import ROOT
from tests.support.waiting import wait_until_sync

WRITER = """
import asyncio, sys
from pathlib import Path
from producers.sidecar.spool import Spool
from tests.integration.test_spool import fact

async def main():
    spool = Spool(Path(sys.argv[1]), max_facts=10**6, max_bytes=1 << 30)
    await spool.open()
    number = spool.depth.facts
    while True:
        await spool.put([fact(number)])
        number += 1
        print(number, flush=True)

asyncio.run(main())
"""


def fact(number: int) -> Fact:
    body = json.dumps(job_event(f"J{number % 3}", "progress", key=str(number))).encode()
    return admit_job_event(body, site="fab1", now=datetime.now(UTC), max_skew=timedelta(0))


def spool_at(folder: Path, **bounds: int) -> Spool:
    return Spool(folder, **{"max_facts": 1000, "max_bytes": 1 << 20, **bounds})


async def everything(spool: Spool) -> list[Spooled]:
    return await spool.first(10**6, 1 << 30)


async def test_what_waits_is_there_after_a_restart(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    await spool.open()
    await asyncio.gather(*(spool.put([fact(number)]) for number in range(5)))
    depth = spool.depth
    await spool.close()
    again = spool_at(tmp_path)
    await again.open()
    assert (again.depth.facts, again.depth.oldest) == (5, pytest.approx(depth.oldest))
    found = await everything(again)
    assert [one.fact for one in found] == [fact(number) for number in range(5)]
    await again.done(found[:2], [(found[2], "refused")])
    assert (again.depth.facts, again.depth.poison) == (2, 1)
    assert [one.id for one in await everything(again)] == [one.id for one in found[3:]]
    await again.close()


async def test_what_does_not_fit_is_refused_whole(tmp_path: Path) -> None:
    spool = spool_at(tmp_path, max_facts=3)
    await spool.open()
    await spool.put([fact(0), fact(1)])
    with pytest.raises(SpoolFull, match="2 events"):
        await spool.put([fact(2), fact(3)])
    await spool.put([fact(2)])
    assert len(await everything(spool)) == spool.depth.facts == 3
    await spool.close()


async def test_what_is_taken_at_once_is_bounded_in_bytes(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    await spool.open()
    await spool.put([fact(number) for number in range(5)])
    size = len(fact(0).body)
    assert len(await spool.first(10, 1)) == 1
    assert len(await spool.first(10, 2 * size)) == 2
    assert len(await spool.first(10, 2 * size + 1)) == 3
    assert len(await spool.first(4, 1 << 20)) == 4
    await spool.close()


async def test_a_full_disk_refuses_and_ends_nothing(tmp_path: Path) -> None:
    spool = spool_at(tmp_path)
    await spool.open()
    await spool.put([fact(0)])
    bounds = resource.getrlimit(resource.RLIMIT_FSIZE)
    written = spool.on_disk()
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, bounds[1]))  # of each file
    try:
        with pytest.raises(sqlite3.OperationalError):
            await spool.put([fact(number) for number in range(1, 900)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bounds)
    assert spool.depth.facts == 1
    await spool.put([fact(200)])
    assert [one.fact for one in await everything(spool)] == [fact(0), fact(200)]
    await spool.close()


async def test_a_second_process_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.sidecar.sqlite_file._LOCK_WAIT_S", 0.1)
    spool = spool_at(tmp_path)
    await spool.open()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await spool_at(tmp_path).open()
    await spool.close()


@given(st.lists(st.one_of(st.integers(1, 5), st.sampled_from(["take", "reopen"])), max_size=20))
def test_first_in_first_out(tmp_path_factory: pytest.TempPathFactory, steps: list[int | str]) -> None:
    async def run(folder: Path) -> None:
        spool, put, taken = spool_at(folder), 0, 0
        await spool.open()
        for step in steps:
            if step == "reopen":
                await spool.close()
                spool = spool_at(folder)
                await spool.open()
            elif step == "take":
                some = await spool.first(3, 1 << 20)
                assert [one.fact.message_id for one in some] == [
                    fact(number).message_id for number in range(taken, min(taken + 3, put))
                ]
                await spool.done(some)
                taken += len(some)
            elif isinstance(step, int):
                await spool.put([fact(number) for number in range(put, put + step)])
                put += step
            assert spool.depth.facts == put - taken
            assert (spool.depth.oldest is None) == (put == taken)
        await spool.close()

    asyncio.run(run(tmp_path_factory.mktemp("spool")))


def test_nothing_accepted_is_lost_by_a_kill(tmp_path: Path) -> None:
    accepted = 0
    for _ in range(5):
        said = tmp_path / "said"
        with said.open("wb") as file:
            writer = subprocess.Popen(
                [sys.executable, "-c", WRITER, str(tmp_path / "spool")],
                cwd=ROOT,
                stdout=file,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        enough = accepted + 20
        wait_until_sync(lambda: _last(said) > enough, 60)  # noqa: B023 - called at once
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        accepted = _last(said)
    found = asyncio.run(_found(tmp_path / "spool"))
    assert accepted <= len(found) <= accepted + 5  # one a kill may be written and not told
    assert found == [fact(number).message_id for number in range(len(found))]


async def _found(folder: Path) -> list[str]:
    spool = spool_at(folder, max_facts=10**6, max_bytes=1 << 30)
    await spool.open()
    found = await everything(spool)
    await spool.close()
    return [one.fact.message_id for one in found]


def _last(said: Path) -> int:
    lines = said.read_bytes().split(b"\n")[:-1]
    return int(lines[-1]) if lines else 0
