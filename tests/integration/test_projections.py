"""Operating projections over HTTP, against a real line and engine."""

import json
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from api.operations.responses import FoldingProgress, RebuildDone, RebuildState, Verification
from consumers.engine.projector import Projector
from foldline.settings import Settings
from runtime.database.connections import Connection
from tests.integration.test_parking import Buggy
from tests.support.engine import engine, following
from tests.support.line import Line, Model
from tests.support.served_surface import served_surface
from tests.support.strict_schema import problems
from tests.support.waiting import wait_until

ROOT = "/v1/projections"
SESSIONS = f"{ROOT}/sessions"
EVENTS = {"Accept": "text/event-stream"}


async def filled(settings: Settings, nc: Client, db: Connection) -> None:
    """A read model of twenty sessions, folded."""
    line = Line(nc)
    for number in range(20):
        await line.created(f"S{number}")
    await line.put("event", "S19", {"name": "last"})
    await Model(db).caught_up(line)


def told(response: httpx.Response) -> list[tuple[str, Any]]:
    """The events of a stream."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in response.text.strip().split("\n\n"):
        kind, data = block.split("\n")
        events.append((kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


async def test_list_and_one(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    async with engine(settings):
        await filled(settings, nc, db)
        one, other = (await surface.get(ROOT)).json()["projections"]
        assert (one["name"], other["name"]) == ("sessions", "jobs")
        assert one["generations"][0]["role"] == "live"
        assert one["paused"] == {}
        again = (await surface.get(SESSIONS)).json()
        assert again["generations"] == one["generations"]


async def test_rebuild_with_progress(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    async with engine(settings):
        await filled(settings, nc, db)
        await db.execute("update sessions.session set state = '{}'")
        *readings, (kind, result) = told(await surface.post(f"{SESSIONS}/rebuild", headers=EVENTS))
        assert {name for name, _ in readings} == {"progress"}
        assert readings[0][1]["phase"] == "folding"
        assert kind == "done"
        assert result["events"] == result["total"] == 21
        assert result["generation"] == 2
        assert [problem for _, reading in readings for problem in problems(FoldingProgress, reading)] == []
        assert problems(RebuildDone, result) == []
        assert (await Model(db).session("S3") or {})["state"] == {"product": "P", "version": "1"}
        # The one before is kept, can be put back, and dropped.
        put_back = told(await surface.post(f"{SESSIONS}/put-back", headers=EVENTS))[-1]
        assert put_back[0] == "done"
        assert (await Model(db).session("S3") or {})["state"] == {}
        assert (await surface.delete(f"{SESSIONS}/generations/old")).json() == {"dropped": "old"}
        assert (await surface.delete(f"{SESSIONS}/generations/old")).status_code == 404
        nothing = await surface.post(f"{SESSIONS}/put-back")
        assert nothing.status_code == 409
        assert "nothing to put back" in nothing.json()["details"]


async def test_rebuild_in_the_background_is_watched_cancelled_and_continued(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    async with engine(settings):
        await filled(settings, nc, db)
        assert (await surface.get(f"{SESSIONS}/rebuild")).status_code == 404
        # It cannot be switched as long as somebody holds the live leases.
        async with db.transaction():
            await db.execute("select from foldline.lease where follower = 'sessions' for update")
            begun = await surface.post(f"{SESSIONS}/rebuild", json={"workers": 1})
            assert begun.status_code == 202
            where = begun.headers["Location"]
            found = (await surface.get(where)).json()
            assert (found["generation"], found["running"], found["cancelled"]) == (2, True, False)
            assert found["total"] == 21
            assert problems(RebuildState, found) == []
            second = await surface.post(f"{SESSIONS}/rebuild")
            assert second.status_code == 409
            assert "under way" in second.json()["details"]
            assert (await surface.post(f"{SESSIONS}/verify")).status_code == 409
            assert (await surface.delete(f"{SESSIONS}/generations/building")).status_code == 409
            assert (await surface.delete(where)).json() == {"cancelled": True}

            async def stopped() -> bool:
                return not (await surface.get(where)).json()["running"]

            await wait_until(stopped, 30)
        assert (await surface.get(where)).json()["cancelled"] is True
        assert (await surface.post(f"{SESSIONS}/rebuild")).status_code == 202
        watched = await surface.get(where, headers=EVENTS)
        if watched.status_code == 200:
            assert told(watched)[-1] == ("done", {"generation": 2})

        async def live() -> bool:
            newest = (await surface.get(SESSIONS)).json()["generations"][0]
            return (newest["number"], newest["role"]) == (2, "live")

        await wait_until(live, 30)


async def test_verify_finds_what_was_changed(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    async with engine(settings):
        await filled(settings, nc, db)
        assert (await surface.post(f"{SESSIONS}/verify")).json()["equal"] is True
        await db.execute("update sessions.session set hostname = 'x' where id in ('S3', 'S4')")
        kind, found = told(await surface.post(f"{SESSIONS}/verify", headers=EVENTS, json={"limit": 1}))[-1]
        assert kind == "done"
        assert (found["equal"], found["total"], len(found["differences"])) == (False, 2, 1)
        assert problems(Verification, found) == []
        entity = {"entity": {"id": found["differences"][0]["key"]["id"]}}
        assert (await surface.post(f"{SESSIONS}/rebuild", json=entity)).json() == {"events": 1}
        assert (await surface.post(f"{SESSIONS}/verify")).json()["total"] == 1


async def test_a_pause_outlives_a_restart(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        await filled(settings, nc, db)
        paused = await surface.post(f"{SESSIONS}/pause", json={"reason": "looking at a bug"})
        assert paused.json() == {"paused": settings.partitions}
    later = await line.put("event", "S1", {"name": "later"})
    async with engine(settings, owner="restarted"):
        # Liveness is not paused: when it has passed, the projection could have.
        await model.passed("S1", later, follower="liveness")
        one, _ = (await surface.get(ROOT)).json()["projections"]
        assert one["paused"] == {"looking at a bug": list(range(settings.partitions))}
        assert await model.events("S1") == []
        assert (await surface.post(f"{SESSIONS}/resume")).json() == {"resumed": settings.partitions}
        await model.passed("S1", later)
        assert await model.events("S1") == ["later"]
        assert (await surface.post(f"{SESSIONS}/resume")).json() == {"resumed": 0}


async def test_parked_entities(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model = Line(nc), Model(db)
    last = 0
    for session in ("S1", "S2"):
        for name in ("one", "bug", "two"):
            last = await line.put("event", session, {"name": name})
        async with following(nc, settings, Projector(Buggy())):
            await model.passed(session, last)
    items = (await surface.get(f"{SESSIONS}/parked")).json()["items"]
    assert [(one["id"], one["waiting"]) for one in items] == [("S1", 2), ("S2", 2)]
    assert "ZeroDivisionError" in items[0]["error"]
    assert (await surface.post(f"{SESSIONS}/parked/retry", json={"id": "S1"})).json() == {"events": 2}
    skipped = await surface.post(f"{SESSIONS}/parked/skip", json={"id": "S2", "reason": "broken for good"})
    assert skipped.json() == {"events": 1}
    assert await model.events("S1") == ["one", "bug", "two"]
    assert await model.events("S2") == ["one", "two"]
    again = await surface.post(f"{SESSIONS}/parked/retry", json={"id": "S1", "site": "local"})
    assert again.status_code == 409
    assert "S1 at local is not parked" in again.json()["details"]


@pytest.mark.parametrize(
    ("asked", "body", "status", "says"),
    [
        ("GET /nothing", None, 404, "known are sessions"),
        ("POST /nothing/rebuild", None, 404, "known are sessions"),
        ("POST /sessions/pause", None, 400, "reason is required"),
        ("POST /sessions/pause", {"reason": ""}, 400, "reason is required"),
        ("POST /sessions/pause", {"reason": "x" * 501}, 400, "1 to 500 characters"),
        ("POST /sessions/pause", {"reason": 1}, 400, "reason: "),
        ("POST /sessions/rebuild", {"new": True}, 400, "new: "),
        ("POST /sessions/rebuild", {"workers": 0}, 400, "workers: "),
        ("POST /sessions/rebuild", {"entity": {}}, 400, "entity.id is required"),
        ("POST /sessions/verify", {"limit": 0}, 400, "limit: "),
        ("POST /sessions/parked/retry", {"id": "S9"}, 409, "S9 at local is not parked"),
        ("POST /sessions/parked/skip", {"id": "S9"}, 400, "reason is required"),
        ("DELETE /sessions/generations/live", None, 400, "generation"),
        ("PUT /sessions", None, 405, "GET required"),
    ],
)
async def test_what_is_refused(
    surface: httpx.AsyncClient, asked: str, body: Any, status: int, says: str
) -> None:
    method, path = asked.split()
    answer = await surface.request(method, f"{ROOT}{path}", json=body)
    assert answer.status_code == status, answer.text
    assert says in answer.json()["details"]


async def test_work_ends_with_the_process(settings: Settings, nc: Client, db: Connection) -> None:
    async with engine(settings):
        await filled(settings, nc, db)
        async with db.transaction():
            await db.execute("select from foldline.lease where follower = 'sessions' for update")
            async with served_surface(settings) as client:
                assert (await client.post(f"{SESSIONS}/rebuild")).status_code == 202
            held = (
                "select count(*) from pg_stat_activity"
                " where application_name = 'foldline-rebuild' and datname = current_database()"
            )

            async def gone() -> bool:
                # Within a transaction PostgreSQL goes on showing what the first look saw.
                await db.execute("select pg_stat_clear_snapshot()")
                row = await (await db.execute(held)).fetchone()
                return row == (0,)

            await wait_until(gone, 20)
