"""Facts that left the line behind our back: noticed, and no rebuild loses them in silence."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import httpx
import pytest
from nats.aio.client import Client

from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.loss import WouldLose
from consumers.control.pause import pause, resume
from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from line.jetstream import request_api
from line.lost_facts import Cut, LostFacts
from projections.catalogue import projection_named
from projections.generations import Role, generations
from runtime.database.connections import Connection
from schemas.subjects import partition_of
from tests.support.engine import engine
from tests.support.jobs import job_event
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.served_surface import served_surface
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

SESSIONS: Final = projection_named("sessions")
JOBS: Final = projection_named("jobs")
IDS: Final = ("A", "B", "C")


async def purge(nc: Client, stream: str = "SESSIONS", **how: Any) -> None:
    answer = await request_api(nc, f"STREAM.PURGE.{stream}", how)
    assert answer.get("success"), answer


def filter_of(session: str) -> str:
    return f"ev.{partition_of(session, PARTITIONS)}.local.session.{session}.>"


async def cuts(nc: Client, db: Connection, projection: Any = SESSIONS) -> list[Cut]:
    return await LostFacts(nc, db, projection, PARTITIONS).cuts()


async def sessions(db: Connection) -> set[str]:
    return {row[0] async for row in await db.execute("select id from sessions.session")}


@pytest.fixture
async def line(settings: Settings, nc: Client, db: Connection) -> AsyncIterator[Line]:
    """A line with two facts of each of three sessions, folded; consumers go on."""
    line, model = Line(nc), Model(db)
    async with engine(settings):
        for session in IDS:
            await line.created(session)
            await line.put("event", session, {"name": "e"})
        await model.caught_up(line)
        yield line


async def whole(line: Line) -> set[str]:
    await purge(line.nc)
    return {*IDS}


async def front(line: Line) -> set[str]:
    await purge(line.nc, keep=2)
    return {"A", "B"}


async def half_a_session(line: Line) -> set[str]:
    await purge(line.nc, seq=2)
    return {"A"}


async def first_by_subject(line: Line) -> set[str]:
    await purge(line.nc, filter=filter_of("A"))
    return {"A"}


FRONTS: Final = [whole, front, half_a_session, first_by_subject]


@pytest.mark.parametrize("cut", FRONTS)
async def test_a_cut_front_is_noticed_and_a_rebuild_asks(
    line: Line, settings: Settings, db: Connection, cut: Callable[[Line], Awaitable[set[str]]]
) -> None:
    lost = await cut(line)
    last = await line.created("later")
    await Model(db).passed("later", last)
    (found,) = await cuts(line.nc, db)
    assert {one.id for one in found.lost} == lost
    before = await sessions(db)
    for how in ({}, {"anew": True}):
        with pytest.raises(WouldLose, match="--accept-loss"):
            await rebuild(SESSIONS, settings, line.nc, **how)
    assert await sessions(db) == before == {*IDS, "later"}
    assert Role.BUILDING not in await generations(db, "sessions")  # nothing was folded in vain
    await rebuild(SESSIONS, settings, line.nc, accept_loss=True)
    kept = {"A"} if cut is half_a_session else set()
    assert await sessions(db) == before - lost | kept
    assert await cuts(line.nc, db) == []
    assert (await verify(SESSIONS, settings, line.nc)).differences == []


async def test_a_hole_behind_the_front_is_found_before_the_switch(
    line: Line, settings: Settings, db: Connection
) -> None:
    await purge(line.nc, filter=filter_of("B"))
    assert await cuts(line.nc, db) == []
    assert {one.key["id"] for one in (await verify(SESSIONS, settings, line.nc)).differences} == {"B"}
    with pytest.raises(WouldLose, match=r"session B at local \(SESSIONS:3\)"):
        await rebuild(SESSIONS, settings, line.nc)
    assert await sessions(db) == {*IDS}
    await rebuild(SESSIONS, settings, line.nc, accept_loss=True)  # goes on with what was built
    assert await sessions(db) == {"A", "C"}


async def test_putting_back_a_generation_asks_as_well(line: Line, settings: Settings, db: Connection) -> None:
    await rebuild(SESSIONS, settings, line.nc)
    last = await line.created("later")
    await Model(db).passed("later", last)
    await purge(line.nc, filter=filter_of("later"))
    with pytest.raises(WouldLose, match="session later at local"):
        await rebuild(SESSIONS, settings, line.nc, put_back=True)
    assert "later" in await sessions(db)


@pytest.mark.parametrize("folded", [True, False], ids=["folded", "not-folded-yet"])
async def test_what_retention_removed_is_no_loss(
    line: Line, settings: Settings, db: Connection, folded: bool
) -> None:
    """Also while the read model still shows it, for it is paused."""
    if not folded:
        await pause(db, "sessions", "a test")
    expired = await line.put("expired", "A")
    if folded:
        await Model(db).passed("A", expired)
    await purge(line.nc, filter=filter_of("A"), seq=expired)
    assert await cuts(line.nc, db) == []
    await rebuild(SESSIONS, settings, line.nc)
    assert await sessions(db) == {"B", "C"}
    await resume(db, "sessions")
    await Model(db).passed("B", await line.put("event", "B", {"name": "after"}))


async def test_what_the_fold_decides_is_no_loss(line: Line, settings: Settings, db: Connection) -> None:
    """An operator skips all of a session, as a newer version might: the line still holds it."""
    await db.execute(
        "insert into foldline.skip (projection, stream, seq, reason)"
        " values ('sessions', 'SESSIONS', 1, 'a test'), ('sessions', 'SESSIONS', 2, 'a test')"
    )
    await rebuild(SESSIONS, settings, line.nc)
    assert await sessions(db) == {"B", "C"}


@pytest.mark.parametrize("upto", [2, 3], ids=["half", "all"])
async def test_one_entity_is_not_rebuilt_from_what_is_left(line: Line, db: Connection, upto: int) -> None:
    await purge(line.nc, seq=upto, filter=filter_of("A"))
    rows = await (await db.execute("select * from sessions.event order by seq")).fetchall()
    with pytest.raises(WouldLose, match="session A at local"):
        await rebuild_entity(db, line.nc, SESSIONS, ("local", "A"), PARTITIONS)
    assert await (await db.execute("select * from sessions.event order by seq")).fetchall() == rows
    left = 3 - upto
    assert await rebuild_entity(db, line.nc, SESSIONS, ("local", "A"), PARTITIONS, accept_loss=True) == left
    assert ("A" in await sessions(db)) is bool(left)
    assert await rebuild_entity(db, line.nc, SESSIONS, ("local", "B"), PARTITIONS) == 2


async def test_jobs_younger_than_their_stream_keeps_are_missed(
    settings: Settings, nc: Client, db: Connection
) -> None:
    js = nc.jetstream(timeout=10)
    async with engine(settings):
        for number in range(6):
            body = json.dumps(job_event(f"J{number}", site=None)).encode()
            ack = await js.publish(f"ev.local.job.J{number}.started", body)

        async def folded() -> bool:
            row = await (await db.execute("select count(*) from jobs.entity")).fetchone()
            return row == (6,)

        await wait_until(folded)
        await purge(nc, "JOBS", seq=ack.seq)
        (found,) = await cuts(nc, db, JOBS)
        assert [one.id for one in found.lost] == ["J0"]
        assert "takes over the rows of the rest" in str(found)
        assert (await rebuild(JOBS, settings, nc)).carried == 5
        assert await cuts(nc, db, JOBS) == [found]
        await rebuild(JOBS, settings, nc, accept_loss=True)
        assert await cuts(nc, db, JOBS) == []  # and nobody is told of it again
        await rebuild(JOBS, settings, nc)
        # What is older than the stream keeps events has left it by its age.
        await db.execute("update foldline.stream set accepted_first = 0")
        assert len(await cuts(nc, db, JOBS)) == 1
        await db.execute("update jobs.entity set opened_at = opened_at - interval '90 days'")
        assert await cuts(nc, db, JOBS) == []
        await rebuild(JOBS, settings, nc)


async def test_ready_and_status_say_so_and_http_asks(
    line: Line, settings: Settings, db: Connection, processes: Processes
) -> None:
    async with served_surface(settings) as api:
        assert "notes" not in (await ready(api)) or "lost sessions" not in (await ready(api))["notes"]
        await purge(line.nc)

        async def told() -> str | None:
            note: str | None = (await ready(api)).get("notes", {}).get("lost sessions")
            return note

        note = await wait_until(told, 20)
        assert "stream SESSIONS was purged or cut: it begins at sequence 7, and 3 sessions" in note
        status = processes.start("status", ("status",), settings)
        assert await asyncio.to_thread(status.wait, 40) == 0
        assert "--accept-loss" in status.text()
        refused = await api.post("/v1/projections/sessions/rebuild", json={})
        assert (refused.status_code, refused.json()["error"]) == (409, "Conflict")
        assert "was purged or cut" in refused.json()["details"]
        one = {"entity": {"id": "A"}}
        assert (await api.post("/v1/projections/sessions/rebuild", json=one)).status_code == 409
        asked = processes.start("asked", ("rebuild", "sessions"), settings)
        assert await asyncio.to_thread(asked.wait, 40) == 1
        assert "--accept-loss" in asked.text()
        assert await sessions(db) == {*IDS}
        taken = await api.post("/v1/projections/sessions/rebuild", json={"accept_loss": True})
        assert taken.status_code == 202

        async def gone() -> bool:
            return await sessions(db) == set()

        await wait_until(gone, 40)


async def ready(api: httpx.AsyncClient) -> dict[str, Any]:
    answer = await api.get("/ready")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
