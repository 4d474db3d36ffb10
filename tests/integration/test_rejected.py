"""Rejected events: shown as they are, published again corrected, dismissed; no rebuild differs."""

import base64
import json
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from consumers.control.rebuild import rebuild
from consumers.control.verify import verify
from foldline.settings import Settings
from line.jetstream import request_api
from projections.catalogue import projection_named
from runtime.database.connections import Connection
from schemas.subjects import partition_of
from tests.support.engine import engine
from tests.support.line import Line, Model, publish_raw
from tests.support.processes import Processes
from tests.support.read_api import FoldedLine
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until, wait_until_sync

ROOT = "/v1/rejected"
SESSIONS = f"{ROOT}/SESSIONS"
PART = partition_of("S1", PARTITIONS)


async def listed(surface: httpx.AsyncClient, query: str = "") -> dict[int, Any]:
    """Sequence → why it was dismissed."""
    items = (await surface.get(f"{ROOT}{query}")).json()["items"]
    return {item["sequence"]: item["dismissed"] and item["dismissed"]["reason"] for item in items}


async def gauge(surface: httpx.AsyncClient) -> dict[str, float]:
    lines = (await surface.get("/metrics")).text.splitlines()
    found = [line.rpartition(" ") for line in lines if line.startswith("foldline_rejected_events{")]
    return {name.split('reason="')[1].rstrip('"}'): float(value) for name, _, value in found}


async def test_the_list_and_its_pages(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    assert (await reads.get("/v1/rejected")).json() == {
        "items": [],
        "total": 0,
        "counts": {},
        "next_cursor": None,
    }
    for sequence in range(5):
        await folded_line.reject(sequence, "invalid_json" if sequence % 2 else "too_deep")
    await folded_line.reject(9, "too_deep", stream="HEARTBEATS")
    first = (await reads.get("/v1/rejected?limit=4")).json()
    assert first["items"][1] == {
        "projection": "sessions",
        "stream": "SESSIONS",
        "sequence": 4,
        "partition": first["items"][1]["partition"],
        "subject": "ev.local.session.S1.state",
        "reason": "too_deep",
        "details": "why",
        "stored_at": "2026-01-31T12:00:04.000000Z",
        "dismissed": None,
    }
    assert (first["total"], first["counts"]) == (6, {"too_deep": 4, "invalid_json": 2})
    second = (await reads.get(f"/v1/rejected?limit=4&cursor={first['next_cursor']}")).json()
    assert [item["sequence"] for item in first["items"] + second["items"]] == [9, 4, 3, 2, 1, 0]
    assert (second["next_cursor"], second["total"]) == (None, 6)
    for query, sequences in {
        "reason=invalid_json": [3, 1],
        "stream=HEARTBEATS": [9],
        "projection=sessions&reason=nothing": [],
    }.items():
        found = (await reads.get(f"/v1/rejected?{query}")).json()
        assert [item["sequence"] for item in found["items"]] == sequences


@pytest.mark.parametrize(
    "query", ["projection=nothing", "stream=x", "reason=%00", "limit=0", "cursor=x", "a=b"]
)
async def test_bad_parameters(reads: httpx.AsyncClient, query: str) -> None:
    response = await reads.get(f"/v1/rejected?{query}")
    assert response.status_code == 400
    assert query.partition("=")[0] in response.json()["details"]


@pytest.mark.parametrize(
    ("body", "encoding", "shown"),
    [
        (b'{"name":5}', "json", {"name": 5}),
        (b'{"name":', "text", '{"name":'),
        (b'{"name":"a\\ud800b"}', "text", '{"name":"a\\ud800b"}'),
        (b'{"name":NaN}', "text", '{"name":NaN}'),
        (b'{"a":' * 200 + b"1" + b"}" * 200, "text", '{"a":' * 200 + "1" + "}" * 200),
        (b"\xff\x00", "base64", base64.b64encode(b"\xff\x00").decode()),
    ],
    ids=["json", "broken", "surrogate", "nan", "deep", "bytes"],
)
async def test_shown_as_it_was_published(
    settings: Settings,
    nc: Client,
    db: Connection,
    surface: httpx.AsyncClient,
    *,
    body: bytes,
    encoding: str,
    shown: Any,
) -> None:
    line, model = Line(nc), Model(db)
    headers = {"Foldline-Time": "2026-01-31T12:00:00Z", "Other": "one: two"}
    bad = await line.put("event", "S1", body, headers=headers)
    async with engine(settings):
        await model.passed("S1", bad)
    found = (await surface.get(f"{SESSIONS}/{bad}")).json()
    assert (found["encoding"], found["body"]) == (encoding, shown)
    assert found["position"] == f"SESSIONS/{PART}:{bad}"
    assert found["subject"] == "ev.local.session.S1.event"
    assert found["headers"].items() >= headers.items()
    (why,) = found["rejected"]
    assert (why["projection"], why["dismissed"]) == ("sessions", None)
    assert why["reason"] in ("invalid_field", "invalid_json", "invalid_text", "too_deep")


async def test_what_is_not_there(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model = Line(nc), Model(db)
    good = await line.created("S1")
    beat = await line.put("heartbeat", "S1", b"{")
    bad = await line.put("event", "S1", b"{")
    async with engine(settings):
        await model.passed("S1", bad)
        await model.passed("S1", beat, "HEARTBEATS")
    for place in (f"SESSIONS/{good}", f"SESSIONS/{bad + 100}", f"HEARTBEATS/{bad + 100}", "OTHER/1"):
        response = await surface.get(f"{ROOT}/{place}")
        assert (response.status_code, response.json()["error"]) == (404, "Not found"), place
        assert (await surface.post(f"{ROOT}/{place}/retry", content=b"{}")).status_code == 404
        assert (await surface.post(f"{ROOT}/{place}/dismiss", json={"reason": "r"})).status_code == 404
        assert (await surface.delete(f"{ROOT}/{place}/dismiss")).status_code == 404
    assert (await surface.get(f"{SESSIONS}/0")).status_code == 400
    assert (await surface.get(f"{SESSIONS}/x")).status_code == 400
    assert (await surface.get(f"{SESSIONS}/{2**63}")).status_code == 400
    old = await surface.post(f"{ROOT}/HEARTBEATS/{beat}/retry", content=b"{}")
    assert old.status_code == 400
    assert "only the newest counts" in old.json()["details"]
    await request_api(nc, "STREAM.MSG.DELETE.SESSIONS", {"seq": bad})
    gone = await surface.get(f"{SESSIONS}/{bad}")
    assert gone.status_code == 404
    assert "no longer holds it" in gone.json()["details"]
    assert f"SESSIONS/{PART}:{bad} was rejected (invalid_json" in gone.json()["details"]


async def test_retried_once_as_a_new_fact(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model = Line(nc), Model(db)
    await line.created("S1")
    then = {"Foldline-Time": "2026-01-31T12:00:00Z"}
    bad = await line.put("event", "S1", b'{"name":5}', headers=then)
    untimed = await line.put("event", "S1", b'{"nme":"x"}')
    lost = await line.put("metric", "S1", b'{"name":"n","value":1,"timestamp":"2999-01-01T00:00:00Z"}')
    await publish_raw(settings.nats_url, (b"ev.local.session.S$1.event", b"", b'{"name":"odd"}'))
    odd = lost + 1
    async with engine(settings):
        await model.passed("S1", lost)
        await wait_listed(surface, odd)
        refused = await surface.post(f"{SESSIONS}/{bad}/retry")
        assert refused.status_code == 400
        assert "name" in refused.json()["details"]
        assert None in (await listed(surface)).values()
        body = b'{"name":"five"}'
        first = await surface.post(f"{SESSIONS}/{bad}/retry", content=body)
        assert first.json() == {
            "position": f"SESSIONS/{PART}:{odd + 1}",
            "duplicate": False,
            "retry_of": f"SESSIONS/{PART}:{bad}",
        }
        assert first.headers["foldline-position"] == first.json()["position"]
        again = await surface.post(f"{SESSIONS}/{bad}/retry", content=body)
        assert again.json() == first.json() | {"duplicate": True}
        await line.forget_message_ids()
        late = (await surface.post(f"{SESSIONS}/{bad}/retry", content=body)).json()
        assert late["duplicate"] is False  # stored again, and without effect
        timed = (await surface.post(f"{SESSIONS}/{untimed}/retry", content=b'{"name":"x"}')).json()
        no_subject = await surface.post(f"{SESSIONS}/{odd}/retry")
        assert "is not ev.<site>" in no_subject.json()["details"]
        subject = {"subject": "ev.local.session.S1.event", "time": "2026-01-01T00:00:00Z"}
        moved = (await surface.post(f"{SESSIONS}/{odd}/retry", params=subject)).json()
        assert (await surface.post(f"{SESSIONS}/{bad}/retry?other=1")).status_code == 400
        assert (await surface.post(f"{SESSIONS}/{bad}/retry?time=now")).status_code == 400
        last = int(moved["position"].rpartition(":")[2])
        await model.passed("S1", last)
        session = await model.session("S1") or {}
        stored = {fact.seq: fact for fact in await line.stored()}
        when = {event["name"]: event["timestamp"] for event in session["events"]}
        assert list(when) == ["five", "x", "odd"]
        assert when["five"] == "2026-01-31T12:00:00.000000Z"
        assert when["x"] == stored[untimed].stored_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert when["odd"] == "2026-01-01T00:00:00.000000Z"
        retried = stored[int(first.json()["position"].rpartition(":")[2])]
        assert retried.headers["Foldline-Retry-Of"] == f"SESSIONS/{PART}:{bad}"
        await model.equals(await line.reference(), "S1")
    assert await listed(surface) == {lost: None}
    assert await listed(surface, "?dismissed=true") == {
        bad: f"retried as {late['position']}",
        untimed: f"retried as {timed['position']}",
        odd: f"retried as {moved['position']}",
        lost: None,
    }


async def wait_listed(surface: httpx.AsyncClient, sequence: int) -> None:
    async def there() -> bool:
        return sequence in await listed(surface)

    await wait_until(there, 20, what=f"{sequence} is listed")


async def test_dismissed_and_restored(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model = Line(nc), Model(db)
    bad = [await line.put("event", "S1", b"{") for _ in range(3)]
    async with engine(settings):
        await model.passed("S1", bad[-1])
    answer = await surface.post(f"{SESSIONS}/{bad[0]}/dismiss", json={"reason": "a typo"})
    assert answer.json() == {"dismissed": "a typo"}
    for wrong in ({}, {"reason": ""}, {"reason": 1}, {"other": "x"}):
        assert (await surface.post(f"{SESSIONS}/{bad[1]}/dismiss", json=wrong)).status_code == 400
    for reason in (" ", "x" * 501):
        response = await surface.post(f"{SESSIONS}/{bad[1]}/dismiss", json={"reason": reason})
        assert response.status_code == 400
        assert "needs a reason" in response.json()["details"]
    assert await listed(surface) == dict.fromkeys(bad[1:])
    assert await gauge(surface) == {"invalid_json": 2}
    page = (await surface.get(f"{ROOT}?dismissed=true")).json()
    assert page["counts"] == {"invalid_json": 3}
    assert page["items"][-1]["dismissed"]["reason"] == "a typo"
    assert (await surface.get(ROOT)).json()["counts"] == {"invalid_json": 2}
    assert (await surface.delete(f"{SESSIONS}/{bad[0]}/dismiss")).json() == {"dismissed": None}
    assert (await surface.delete(f"{SESSIONS}/{bad[0]}/dismiss")).status_code == 404
    assert await listed(surface) == dict.fromkeys(bad)


async def test_no_rebuild_differs(
    settings: Settings, nc: Client, db: Connection, surface: httpx.AsyncClient
) -> None:
    line, model, sessions = Line(nc), Model(db), projection_named("sessions")
    await line.created("S1")
    shown, dismissed, retried = [await line.put("event", "S1", b"{") for _ in range(3)]
    async with engine(settings):
        await model.passed("S1", retried)
        await surface.get(f"{SESSIONS}/{shown}")
        await surface.post(f"{SESSIONS}/{dismissed}/dismiss", json={"reason": "no need"})
        told = (await surface.post(f"{SESSIONS}/{retried}/retry", content=b'{"name":"mended"}')).json()
        await model.passed("S1", int(told["position"].rpartition(":")[2]))
        before = await model.session("S1")
        assert await model.events("S1") == ["mended"]
        rejected = await model.rejected()
        assert len(rejected) == 3
        assert (await verify(sessions, settings, nc)).differences == []
        await rebuild(sessions, settings, nc)
        assert await model.session("S1") == before
        assert await model.rejected() == rejected
        assert (await verify(sessions, settings, nc)).differences == []
    assert await listed(surface) == {shown: None}
    assert (await listed(surface, "?dismissed=true"))[dismissed] == "no need"


async def test_the_commands(
    settings: Settings, nc: Client, db: Connection, processes: Processes, tmp_path: Any
) -> None:
    line, model = Line(nc), Model(db)
    bad = await line.put("event", "S1", b'{"name":5}')
    async with engine(settings):
        await model.passed("S1", bad)

    def command(*arguments: str) -> str:
        process = processes.start(f"rejected-{len(processes.all)}", ("rejected", *arguments), settings)
        wait_until_sync(lambda: not process.running, 60)
        return process.text()

    event = f"SESSIONS:{bad}"
    assert json.loads(command("show", event))["body"] == {"name": 5}
    assert f"SESSIONS:{bad} is dismissed" in command("dismiss", event, "--reason", "because")
    assert json.loads(command("list", "--json"))["items"] == []
    (item,) = json.loads(command("--all", "--json"))["items"]
    assert item["dismissed"]["reason"] == "because"
    assert "is listed again" in command("restore", f"SESSIONS/{PART}:{bad}")
    assert "still not valid" in command("retry", event)
    (tmp_path / "body.json").write_text('{"name":"five"}')
    told = json.loads(command("retry", event, "--body", str(tmp_path / "body.json"), "--json"))
    assert told["retry_of"] == f"SESSIONS/{PART}:{bad}"
    assert command("dismiss", "SESSIONS:x", "--reason", "r").startswith(
        "foldline: 'SESSIONS:x' is not an event"
    )
    assert command("show", "SESSIONS:999").startswith("foldline: no rejected event 999 of stream SESSIONS")
