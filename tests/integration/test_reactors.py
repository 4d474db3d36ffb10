"""Operating reactors over HTTP, against a real line and consumers."""

from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from nats.aio.client import Client

from api.operations.reactor_control import ReactorControl
from api.operations.reactors import reactors_router
from consumers.reactors.catalogue import REACTOR_NAMES
from consumers.reactors.expiry import EXPIRY
from consumers.reactors.outcomes import Outcomes
from consumers.reactors.periodic import run_in_one_replica
from foldline.settings import Settings
from line.durables import find_durable
from runtime.database.connections import Connection
from tests.support.engine import engine
from tests.support.line import Line, Model
from tests.support.processes import Processes
from tests.support.reactors import running_reactors
from tests.support.waiting import wait_until

ROOT = "/v1/reactors"
HUNG, RECOVERED = "application_appears_hung", "application_recovered"
WHY = {"reason": "a test"}


async def status(surface: httpx.AsyncClient, name: str) -> dict[str, Any]:
    answer = await surface.get(f"{ROOT}/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_list_and_one(
    settings: Settings, nc: Client, surface: httpx.AsyncClient, processes: Processes
) -> None:
    before = (await surface.get(ROOT)).json()["reactors"]
    assert {one["name"]: one["state"] for one in before} == dict.fromkeys(REACTOR_NAMES, "not running")
    consumer = processes.consumer(settings)
    consumer.wait_for("follows the line", 60)
    line = Line(nc)
    await line.created("S1")
    await line.put("expired", "S1")
    consumer.wait_for("S1.expired purged", 30)

    async def written() -> object:
        return (await status(surface, "expiry"))["last_success"]

    assert str(await wait_until(written)).endswith("Z")
    found = {one["name"]: one for one in (await surface.get(ROOT)).json()["reactors"]}
    assert list(found) == list(REACTOR_NAMES)
    without_limit = found.pop("retention")
    assert {one["state"] for one in found.values()} == {"running"}
    assert (without_limit["state"], without_limit["kind"]) == ("not running", "periodic")
    assert (found["liveness"]["kind"], found["expiry"]["kind"]) == ("following", "task")
    assert without_limit["setting"] == "FOLDLINE_SESSION_RETENTION_DAYS"
    assert (found["sweep"]["period_s"], found["sweep"]["pending"]) == (600.0, None)
    assert found["liveness"]["pending"] == found["expiry"]["pending"] == 0
    assert found["expiry"]["paused"] is found["expiry"]["last_failure"] is None
    assert (found["expiry"]["failing"], found["expiry"]["failing_total"]) == ([], 0)


async def test_a_paused_task_loses_nothing_whatever_restarts(
    settings: Settings, nc: Client, surface: httpx.AsyncClient, processes: Processes
) -> None:
    line = Line(nc)
    processes.consumer(settings).wait_for("follows the line", 60)
    assert (await surface.post(f"{ROOT}/expiry/pause", json=WHY)).json() == {"changed": True}
    assert (await surface.post(f"{ROOT}/expiry/pause", json=WHY)).json() == {"changed": False}

    async def paused() -> bool:
        found = await find_durable(nc, EXPIRY.durable)
        return bool(found and found.paused)

    await wait_until(paused, what="the server knows")
    await line.created("S1")
    await line.put("expired", "S1")
    consumer = processes.consumer(settings)
    consumer.wait_for("follows the line", 60)
    assert await paused()
    found = await status(surface, "expiry")
    assert (found["state"], found["paused"]["reason"], found["pending"]) == ("paused", "a test", 1)
    assert [fact.fact for fact in await line.stored()] == ["created", "expired"]
    assert (await surface.post(f"{ROOT}/expiry/resume")).json() == {"changed": True}
    assert (await surface.post(f"{ROOT}/expiry/resume")).json() == {"changed": False}

    async def purged() -> bool:
        return [fact.fact for fact in await line.stored()] == ["expired"]

    await wait_until(purged, 30, what="S1 is purged")
    assert (await status(surface, "expiry"))["paused"] is None


async def test_a_paused_following_reactor_keeps_its_checkpoint(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model = Line(nc), Model(db)
    async with engine(settings):
        created = await line.created("S1")
        await model.passed("S1", created, follower="liveness")
        assert (await surface.post(f"{ROOT}/liveness/pause", json=WHY)).json() == {"changed": True}
        hung = await line.put("event", "S1", {"name": HUNG})
        beat = await line.put("heartbeat", "S1")
        await model.passed("S1", hung)
        await model.passed("S1", beat, "HEARTBEATS")
        assert await model.reached("S1", follower="liveness") == created
        found = await status(surface, "liveness")
        assert (found["state"], found["paused"]["reason"], found["pending"]) == ("paused", "a test", 2)
        assert await model.events("S1") == [HUNG]
        assert (await surface.post(f"{ROOT}/liveness/resume")).json() == {"changed": True}

        async def recovered() -> bool:
            return await model.events("S1") == [HUNG, RECOVERED]

        await wait_until(recovered)


async def test_a_paused_periodic_reactor_does_not_run(settings: Settings, surface: httpx.AsyncClient) -> None:
    async def run(_: Connection) -> int:
        return 7

    async def once() -> int | None:
        return await run_in_one_replica(settings, "sweep", run, Outcomes(["sweep"]))

    assert await once() == 7
    assert (await surface.post(f"{ROOT}/sweep/pause", json=WHY)).json() == {"changed": True}
    assert await once() is None
    assert (await surface.post(f"{ROOT}/sweep/resume")).json() == {"changed": True}
    assert await once() == 7


async def test_a_periodic_reactor_that_failed_is_failing_until_it_succeeds(
    settings: Settings, db: Connection, surface: httpx.AsyncClient
) -> None:
    async def run(_: Connection) -> int:
        return 1 // divisor

    outcomes = Outcomes(["sweep"])
    for divisor, state in ((0, "failing"), (1, "running")):
        try:
            await run_in_one_replica(settings, "sweep", run, outcomes)
        except ZeroDivisionError:
            assert divisor == 0
        await outcomes.write(db)
        found = await status(surface, "sweep")
        assert (found["state"], found["last_failure"]["error"]) == (
            state,
            "ZeroDivisionError: integer division or modulo by zero",
        )


async def test_gauges(settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient) -> None:
    line = Line(nc)
    async with running_reactors(settings, EXPIRY):
        await surface.post(f"{ROOT}/expiry/pause", json=WHY)

        async def paused() -> bool:
            found = await find_durable(nc, EXPIRY.durable)
            return bool(found and found.paused)

        await wait_until(paused)
        await line.put("expired", "S1")

        async def shown() -> bool:
            text = (await surface.get("/metrics")).text
            return all(
                f'foldline_reactor_{name}{{reactor="expiry"}} 1.0' in text
                for name in ("paused", "pending_events", "running")
            )

        await wait_until(shown, 30)
        text = (await surface.get("/metrics")).text
        assert 'foldline_reactor_failing_events{reactor="expiry"} 0.0' in text
        assert 'foldline_reactor_running{reactor="retention"} 0.0' in text


@pytest.mark.parametrize(
    ("asked", "body", "code", "says"),
    [
        ("GET /nothing", None, 404, "known are liveness, expiry"),
        ("POST /nothing/pause", {"reason": "r"}, 404, "known are liveness, expiry"),
        ("POST /sessions/resume", None, 404, "known are liveness, expiry"),
        ("POST /expiry/pause", None, 400, "reason is required"),
        ("POST /expiry/pause", {"reason": "x" * 501}, 400, "1 to 500 characters"),
        ("POST /liveness/pause", {"reason": "x" * 501}, 400, "1 to 500 characters"),
        ("POST /expiry/pause", {"reason": "r", "more": 1}, 400, "more"),
        ("DELETE /expiry", None, 405, "GET required"),
    ],
)
async def test_what_is_refused(
    surface: httpx.AsyncClient, asked: str, body: Any, code: int, says: str
) -> None:
    method, path = asked.split()
    answer = await surface.request(method, f"{ROOT}{path}", json=body)
    assert answer.status_code == code, answer.text
    assert says in answer.json()["details"]


async def test_a_database_of_an_older_program_is_shown_all_the_same(
    db: Connection, surface: httpx.AsyncClient
) -> None:
    await db.execute("drop table foldline.reactor, foldline.failing_event")
    found = (await surface.get(ROOT)).json()["reactors"]
    assert {one["state"] for one in found} == {"not running"}
    assert (await surface.post(f"{ROOT}/expiry/pause", json=WHY)).status_code == 503


def test_the_openapi_document_has_the_models() -> None:
    app = FastAPI()
    app.include_router(reactors_router(cast(ReactorControl, None)))
    document = app.openapi()
    answer = document["paths"][ROOT]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/ReactorList"}
    assert "state" in document["components"]["schemas"]["ReactorStatus"]["properties"]
