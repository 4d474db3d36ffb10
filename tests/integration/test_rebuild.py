"""A rebuild beside the live read model, and a verification of it: nothing is missed, nothing counts twice."""

from datetime import datetime

import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.rebuild_progress import RebuildProgress
from consumers.control.verify import verify
from foldline.settings import Settings
from projections.catalogue import projection_named
from projections.generations import Role, generations
from runtime.database.connections import Connection
from tests.support.engine import engine
from tests.support.line import Line, Model

SESSIONS = projection_named("sessions")


@pytest.fixture
def parallel(settings: Settings) -> Settings:
    """Settings for rebuilds and verifications by two processes, as the program has them by default."""
    return settings.model_copy(update={"rebuild_workers": 2})


async def fill(line: Line) -> None:
    for number in range(20):
        await line.created(f"S{number}")
        await line.put("event", f"S{number}", {"name": "e"})
        await line.put("heartbeat", f"S{number}")


async def test_folds_everything_and_becomes_live(parallel: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    await fill(line)
    readings: list[RebuildProgress] = []
    async with engine(parallel):
        await line.put("event", "S19", {"name": "last"})
        await model.caught_up(line)
        await db.execute("update sessions.session set state = '{}'")
        done = await rebuild(SESSIONS, parallel, nc, report=readings.append)
        assert done.phase == "done"
        assert done.events == done.total == 61
        assert (await model.session("S3") or {})["state"] == {"product": "P", "version": "1"}
        await model.passed("S3", await line.put("event", "S3", {"name": "after"}))
        assert await model.events("S3") == ["e", "after"]
    found = await generations(db, "sessions")
    assert {role: one.number for role, one in found.items()} == {Role.LIVE: 2, Role.OLD: 1}


async def test_a_clean_read_model_verifies(parallel: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    await fill(line)
    async with engine(parallel):
        await line.put("event", "S19", {"name": "last"})
        await model.caught_up(line)
        found = await verify(SESSIONS, parallel, nc)
    assert found.differences == []
    assert found.rows["session"] == 20
    assert found.rows["event"] == 21


BEATS: list[tuple[bytes, dict[str, str], str | None]] = [
    (b"", {}, None),
    (b"{", {}, "invalid_json"),
    (b"\xff", {}, "invalid_json"),
    (b"[]", {}, "invalid_field"),
    (b'{"host_only":"yes"}', {}, "invalid_field"),
    (b'{"timestamp":"yesterday"}', {}, "invalid_field"),
    (b'{"timestamp":"2999-01-01T00:00:00Z"}', {}, None),
    (b"", {"Foldline-Time": "whenever"}, None),
    (b"", {"Foldline-Time": "2999-01-01T00:00:00Z"}, None),
    (b'{"a":"' + b"x" * (2 << 20) + b'"}', {}, "too_large"),
]
"""Heartbeats by body and headers, with the reason that is noted of an unreadable one."""


async def test_the_newest_heartbeat_counts_whatever_it_says(
    parallel: Settings, nc: Client, db: Connection
) -> None:
    """A bad one replaces a good one on the line, and a good one a bad one: rows show nothing else."""
    line, model = Line(nc), Model(db)
    pairs = [(before, after) for before in range(len(BEATS)) for after in (0, 1, 6, before)]
    noted: dict[tuple[str, int], str] = {}
    async with engine(parallel):
        for number, pair in enumerate(pairs):
            await line.created(f"S{number}")
            reasons: dict[int, str] = {}
            for beat in pair:
                body, headers, reason = BEATS[beat]
                last = await line.put("heartbeat", f"S{number}", body, headers=headers)
                await model.passed(f"S{number}", last, "HEARTBEATS")
                if reason is not None:
                    reasons = {last: reason}  # of each session the newest
            noted |= {("HEARTBEATS", seq): reason for seq, reason in reasons.items()}
        live = [await model.session(f"S{number}") for number in range(len(pairs))]
        assert await model.rejected() == noted
        assert (await verify(SESSIONS, parallel, nc)).differences == []
        await rebuild(SESSIONS, parallel, nc)
        assert [await model.session(f"S{number}") for number in range(len(pairs))] == live
    beats = {one.session_id: one.stored_at for one in await line.stored("HEARTBEATS")}
    for number, session in enumerate(live):
        assert session is not None
        assert datetime.fromisoformat(session["last_heartbeat"]) == beats[f"S{number}"]


async def test_every_change_by_hand_is_found(parallel: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    await fill(line)
    async with engine(parallel):
        await line.put("event", "S19", {"name": "last"})
        await model.caught_up(line)
    await db.execute("update sessions.session set state = '{\"a\": 1}' where id = 'S3'")
    await db.execute("delete from sessions.event where id = 'S4'")
    await db.execute("insert into sessions.patch values (1, 'local', 'S5', 999, now(), false, '{}')")
    await db.execute("update sessions.heartbeat set at = now() where id = 'S6'")
    found = await verify(SESSIONS, parallel, nc)
    assert {(one.table, one.kind, one.key["id"]) for one in found.differences} == {
        ("session", "changed", "S3"),
        ("event", "missing", "S4"),
        ("patch", "extra", "S5"),
        ("heartbeat", "changed", "S6"),
    }
    (session,) = [one for one in found.differences if one.table == "session"]
    assert session.columns == {"state": ('{"a": 1}', '{"product":"P","version":"1"}')}


async def test_a_checkpoint_moved_by_hand_is_found(parallel: Settings, nc: Client, db: Connection) -> None:
    line, model = Line(nc), Model(db)
    async with engine(parallel):
        await model.passed("S1", await line.created("S1"))
    beyond = await line.put("event", "S1", {"name": "never folded"})
    await db.execute(
        "update foldline.lease set seqs = seqs || jsonb_build_object('SESSIONS', %s::bigint) "
        "where follower = 'sessions' and seqs ? 'SESSIONS'",
        (beyond,),
    )
    found = await verify(SESSIONS, parallel, nc)
    assert {(one.table, one.kind) for one in found.differences} == {
        ("event", "missing"),
        ("session", "changed"),
    }
