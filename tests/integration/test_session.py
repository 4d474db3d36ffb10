"""GET of one session, its pages, and the wait for a position."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import httpx
import pytest

from schemas.subjects import partition_of
from tests.support.read_api import FoldedLine, read_client, stamp
from tests.support.settings import PARTITIONS


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def error(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert body.keys() == {"error", "details"}
    return body


async def test_document(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.created("S1", hostname="h1", machine_id="00:11")
    await folded_line.put("state", "S1", {"a": {"b": 1, "c": [1, "ä"]}})
    await folded_line.put("event", "S1", {"name": "login", "data": {"user": "é\u2028"}})
    await folded_line.put("metric", "S1", {"name": "ms", "value": 1.5, "tags": ["x"]})
    await folded_line.put("state", "S1", {"a": {"b": None}})
    await folded_line.put("heartbeat", "S1")
    response = await reads.get("/api/sessions/S1")
    part = partition_of("S1", PARTITIONS)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["foldline-position"] == f"HEARTBEATS/{part}:6,SESSIONS/{part}:5"
    first = {"product": "App", "version": "1"}
    assert response.json() == {
        "id": "S1",
        "session_id": "S1",
        "site": "local",
        "created_at": stamp(1),
        "updated_at": stamp(6),
        "ended_at": None,
        "last_heartbeat": stamp(6),
        "active": False,
        "suspended": True,
        "crashed": False,
        "hung": False,
        "machine_id": "00:11",
        "hostname": "h1",
        "state": first | {"a": {"c": [1, "ä"]}},
        "events": [
            {
                "timestamp": stamp(3),
                "name": "login",
                "data": {"user": "é\u2028"},
                "level": "info",
                "category": "info",
            }
        ],
        "metrics": [{"timestamp": stamp(4), "name": "ms", "value": 1.5, "type": "gauge", "tags": ["x"]}],
        "state_history": [
            {"timestamp": stamp(1), "state": first},
            {"timestamp": stamp(2), "state": first | {"a": {"b": 1, "c": [1, "ä"]}}},
            {"timestamp": stamp(5), "state": first | {"a": {"c": [1, "ä"]}}},
        ],
    }


async def test_young_session(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.put("event", "S1", {"name": "first"})
    body = (await reads.get("/api/sessions/S1")).json()
    assert "last_heartbeat" not in body
    assert (body["active"], body["state"], body["state_history"]) == (True, {}, [])
    assert (body["machine_id"], body["hostname"], body["updated_at"]) == (None, None, stamp(1))


async def test_heartbeat_alone_opens_nothing(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.put("heartbeat", "S1")
    assert (await reads.get("/api/sessions/S1")).status_code == 404


FLAGS = ("active", "suspended", "crashed", "hung")


@pytest.mark.parametrize(
    ("facts", "beat", "flags"),
    [
        ([], None, "active"),
        ([], 59, "active"),
        ([], 61, "suspended"),
        (["hung"], None, "active hung"),
        (["hung"], 61, "suspended hung"),
        (["hung", "recovered"], 1, "active"),
        (["ended"], 1, ""),
        (["hung", "ended"], 61, "hung"),
        (["hung", "crashed"], 1, "crashed"),
        (["ended", "crashed"], 1, "crashed"),
        (["hung", "returned"], 61, "crashed hung"),
        (["crashed", "ended"], 61, "crashed"),
    ],
)
async def test_decision_table(
    folded_line: FoldedLine, reads: httpx.AsyncClient, facts: list[str], beat: float | None, flags: str
) -> None:
    await folded_line.created("S1", machine_id="m")
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "hung": ("event", {"name": "application_appears_hung"}),
        "recovered": ("event", {"name": "application_recovered"}),
        "returned": ("crashed", {"cause": "machine_returned", "machine_id": "m"}),
    }
    for fact in facts:
        name, body = bodies.get(fact, (fact, {}))
        await folded_line.put(name, "S1", body)
    if beat is not None:
        await folded_line.put("heartbeat", "S1", stored_at=ago(beat))
    body = (await reads.get("/api/sessions/S1")).json()
    assert " ".join(flag for flag in FLAGS if body[flag]) == flags
    listed = (await reads.get("/api/data/sessions?timelines=false")).json()[0]
    assert [listed[flag] for flag in FLAGS] == [body[flag] for flag in FLAGS]


async def test_timeout_is_a_setting(database: str, folded_line: FoldedLine) -> None:
    await folded_line.created("S1")
    await folded_line.put("heartbeat", "S1", stored_at=ago(5))
    async with read_client(database, heartbeat_timeout=2) as client:
        assert (await client.get("/api/sessions/S1")).json()["suspended"] is True


@pytest.mark.parametrize("session_id", ["S2", "a b", "x.y", "ü", "a%00b", "x" * 129, "%ff%fe", "*", ">"])
async def test_unknown(folded_line: FoldedLine, reads: httpx.AsyncClient, session_id: str) -> None:
    await folded_line.created("S1")
    for path in ("", "/events", "/metrics", "/history"):
        response = await reads.get(f"/api/sessions/{session_id}{path}")
        assert response.status_code == 404
        assert error(response)["error"] == "Session not found"
    assert (await reads.get("/api/sessions/S2")).json()["details"] == "No session with ID S2"


async def test_sites(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    for site in ("local", "b", "c"):
        await folded_line.created("everywhere", site=site)
    for site in ("b", "c"):
        await folded_line.created("elsewhere", site=site)
    await folded_line.created("only", site="b")
    assert (await reads.get("/api/sessions/everywhere")).json()["site"] == "local"
    assert (await reads.get("/api/sessions/everywhere?site=c")).json()["site"] == "c"
    assert (await reads.get("/api/sessions/only")).json()["site"] == "b"
    assert (await reads.get("/api/sessions/only?site=c")).status_code == 404
    ambiguous = await reads.get("/api/sessions/elsewhere")
    assert ambiguous.status_code == 409
    assert "b, c" in error(ambiguous)["details"]
    for path in ("events", "metrics", "history"):
        assert (await reads.get(f"/api/sessions/elsewhere/{path}")).status_code == 409
        assert (await reads.get(f"/api/sessions/elsewhere/{path}?site=b")).status_code == 200


async def pages(reads: httpx.AsyncClient, path: str) -> list[list[Any]]:
    found, cursor = [], ""
    while True:
        page = (await reads.get(f"{path}{cursor}")).json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def test_events(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.created("S1")
    for n in range(7):
        await folded_line.put(
            "event", "S1", {"name": f"e{n % 2}", "level": "error" if n > 4 else "info", "timestamp": stamp(n)}
        )
    path = "/api/sessions/S1/events"

    def names(found: list[list[Any]]) -> list[list[str]]:
        return [[item["timestamp"][17:19] for item in page] for page in found]

    assert names(await pages(reads, f"{path}?limit=3")) == [["00", "01", "02"], ["03", "04", "05"], ["06"]]
    assert names(await pages(reads, f"{path}?limit=7")) == [["00", "01", "02", "03", "04", "05", "06"]]
    assert names(await pages(reads, f"{path}?limit=5&order=desc")) == [
        ["06", "05", "04", "03", "02"],
        ["01", "00"],
    ]
    assert names(await pages(reads, f"{path}?limit=2&offset=4")) == [["04", "05"], ["06"]]
    assert names(await pages(reads, f"{path}?name=e1")) == [["01", "03", "05"]]
    assert names(await pages(reads, f"{path}?level=error&name=e0")) == [["06"]]
    assert names(await pages(reads, f"{path}?since={stamp(2)}&until={stamp(4)}")) == [["02", "03"]]
    assert names(await pages(reads, f"{path}?offset=1000000000000")) == [[]]
    page = (await reads.get(f"{path}?limit=1&name=e1")).json()
    assert (page["total"], len(page["items"])) == (3, 1)
    assert (await reads.get(path)).headers["foldline-position"]


async def test_metrics(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.created("S1")
    for n in range(3):
        await folded_line.put("metric", "S1", {"name": f"m{n % 2}", "value": n})
    path = "/api/sessions/S1/metrics"
    assert [[item["value"] for item in page] for page in await pages(reads, f"{path}?limit=2")] == [
        [0, 1],
        [2],
    ]
    assert (await reads.get(f"{path}?name=m0")).json()["total"] == 2


async def test_history(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.put("state", "S1", {"product": "Early", "n": 0})
    await folded_line.created("S1")
    for n in range(1, 4):
        await folded_line.put("state", "S1", {"n": n})
    whole = (await reads.get("/api/sessions/S1")).json()["state_history"]
    assert [step["state"].get("n") for step in whole] == [0, 0, 1, 2, 3]
    assert {step["state"]["product"] for step in whole} == {"Early"}
    path = "/api/sessions/S1/history"
    assert [*chain(*await pages(reads, f"{path}?limit=2"))] == whole
    assert [*chain(*await pages(reads, f"{path}?limit=2&order=desc"))] == whole[::-1]
    part = (await reads.get(f"{path}?since={stamp(2)}&until={stamp(4)}&limit=1")).json()
    assert (part["items"], part["total"]) == (whole[1:2], 2)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("events", {"name": "n", "message": "x" * 1_000_000}),
        ("metrics", {"name": "n", "value": 1, "metadata": {"text": "x" * 1_000_000}}),
        ("history", {"text": "x" * 1_000_000}),
    ],
)
async def test_a_page_ends_early_by_bytes(
    folded_line: FoldedLine, reads: httpx.AsyncClient, kind: str, body: dict[str, Any], order: str
) -> None:
    fact, number = "state" if kind == "history" else kind.removesuffix("s"), 25
    for _ in range(number):
        await folded_line.put(fact, "S1", body)
    found: list[dict[str, Any]] = []
    query = f"/api/sessions/S1/{kind}?limit=1000&order={order}"
    following: str | None = ""
    while following is not None:
        response = await reads.get(f"{query}&cursor={following}" if following else query)
        assert response.status_code == 200
        page = response.json()
        assert page["total"] == number
        assert 0 < len(page["items"]) <= 9
        found += page["items"]
        following = page["next_cursor"]
    assert len(found) == number
    stamps = [item["timestamp"] for item in found]
    assert stamps == sorted(set(stamps), reverse=order == "desc")
    assert len((await reads.get("/api/sessions/S1")).json()[kind.replace("h", "state_h")]) == number


async def test_without_patches(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.put("event", "S1", {"name": "n"})
    session = (await reads.get("/api/sessions/S1")).json()
    assert (session["state"], session["state_history"]) == ({}, [])
    for query in ("", "?limit=10"):
        assert (await reads.get(f"/api/data/sessions{query}")).json() == [session]
    assert (await reads.get("/api/sessions/S1/history")).json()["items"] == []


async def test_waits_for_a_position(folded_line: FoldedLine, reads: httpx.AsyncClient) -> None:
    await folded_line.created("S1")
    part = partition_of("S1", PARTITIONS)
    ahead = {"Foldline-Min-Position": f"SESSIONS/{part}:2", "Foldline-Wait": "10000"}
    waiting = asyncio.create_task(reads.get("/api/sessions/S1", headers=ahead))
    done, _ = await asyncio.wait([waiting], timeout=0.2)
    assert not done
    await folded_line.put("event", "S1", {"name": "e"})
    assert len((await waiting).json()["events"]) == 1


@pytest.mark.parametrize(
    "path",
    ["sessions/S1", "sessions/S1/events", "sessions/S1/history", "data/sessions", "timeseries?metric=m"],
)
async def test_position_not_reached(folded_line: FoldedLine, reads: httpx.AsyncClient, path: str) -> None:
    await folded_line.created("S1")
    before = time.monotonic()
    response = await reads.get(
        f"/api/{path}", headers={"Foldline-Min-Position": "SESSIONS/1:99", "Foldline-Wait": "100"}
    )
    assert time.monotonic() - before < 2
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "has not reached position SESSIONS/1:99 within 0.1 s" in error(response)["details"]


async def test_positions_of_other_streams_are_not_waited_for(
    folded_line: FoldedLine, reads: httpx.AsyncClient
) -> None:
    await folded_line.created("S1")
    reached = f"SESSIONS/{partition_of('S1', PARTITIONS)}:1"
    # The position of a job that the same client wrote.
    headers = {"Foldline-Min-Position": f"JOBS/1:99,{reached}", "Foldline-Wait": "30000"}
    before = time.monotonic()
    assert (await reads.get("/api/sessions/S1", headers=headers)).status_code == 200
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Foldline-Min-Position", "SESSIONS/1"),
        ("Foldline-Min-Position", "SESSIONS/16:1"),
        ("Foldline-Min-Position", "NOTHING/1:1"),
        ("Foldline-Min-Position", "SESSIONS/1:1,x"),
        ("Foldline-Wait", "soon"),
        ("Foldline-Wait", "-1"),
        ("Foldline-Wait", "99999999999999999999"),
    ],
)
async def test_bad_headers(folded_line: FoldedLine, reads: httpx.AsyncClient, name: str, value: str) -> None:
    await folded_line.created("S1")
    headers = {"Foldline-Min-Position": "SESSIONS/1:1"} | {name: value}
    for path in ("sessions/S1", "data/sessions", "timeseries?metric=m"):
        response = await reads.get(f"/api/{path}", headers=headers)
        assert response.status_code == 400
        assert name in error(response)["details"]
