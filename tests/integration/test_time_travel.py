"""Sessions as they were, over HTTP, from a real line."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

import projections.sessions.fold
from schemas.subjects import partition_of
from schemas.times import format_time
from tests.support.line import Line
from tests.support.settings import PARTITIONS

SESSION = "/api/sessions/S1"
pytestmark = pytest.mark.usefixtures("running_engine")


def passed(sequence: int) -> dict[str, str]:
    """Headers of a read that must see a fact."""
    at = f"SESSIONS/{partition_of('S1', PARTITIONS)}:{sequence}"
    return {"Foldline-Min-Position": at, "Foldline-Wait": "20000"}


async def test_each_moment_is_as_get_showed_it(nc: Client, surface: httpx.AsyncClient) -> None:
    line = Line(nc)
    then: dict[int, dict[str, Any]] = {}
    puts = [
        ("created", {"product": "P", "version": "1", "hostname": "h"}),
        ("state", {"a": {"b": 1}}),
        ("event", {"name": "login", "data": {"user": None}}),
        ("created", {"product": "again", "version": "1"}),  # rejected
        ("metric", {"name": "ms", "value": 1.5}),
        ("state", {"a": {"b": None}, "c": [1, {"d": "é"}]}),
        ("ended", {}),
    ]
    for fact, body in puts:
        sequence = await line.put(fact, "S1", body)
        now = await surface.get(SESSION, headers=passed(sequence))
        assert now.status_code == 200
        then[sequence] = now.json()
    *_, last = await line.stored()
    for sequence, document in then.items():
        as_it_was = await surface.get(f"{SESSION}?at={sequence}")
        assert as_it_was.status_code == 200
        assert as_it_was.json() == document
        assert as_it_was.headers["Foldline-Position"] == passed(sequence)["Foldline-Min-Position"]
    at = format_time(last.stored_at)
    assert (await surface.get(SESSION, params={"at": at})).json() == then[last.seq]
    before = format_time(last.stored_at - timedelta(microseconds=1))
    assert (await surface.get(SESSION, params={"at": before})).json()["ended_at"] is None


async def test_what_changed(nc: Client, surface: httpx.AsyncClient) -> None:
    line = Line(nc)
    first = await line.created("S1")
    await line.put("state", "S1", {"a": 1, "x/y": {"k": True}})
    middle = await line.put("event", "S1", {"name": "n1"})
    await line.put("event", "S1", {"name": "n2"})
    await line.put("metric", "S1", {"name": "m", "value": 2})
    await line.put("state", "S1", {"a": None, "x/y": {"k": False}, "z": []})
    last = await line.put("ended", "S1")
    answer = await surface.get(f"{SESSION}/diff?from={middle}&to={last}", headers=passed(last))
    assert answer.status_code == 200
    diff = answer.json()
    assert diff["state"] == [
        {"path": "/a", "change": "removed", "from": 1},
        {"path": "/x~1y/k", "change": "changed", "from": True, "to": False},
        {"path": "/z", "change": "added", "to": []},
    ]
    fields = {one["path"]: (one.get("from"), one.get("to")) for one in diff["fields"]}
    assert fields["/active"] == (True, False)
    assert {"/updated_at", "/ended_at"} <= fields.keys()
    assert (diff["event_count"], diff["metric_count"]) == (1, 1)
    assert [event["name"] for event in diff["events"]] == ["n2"]
    assert [metric["value"] for metric in diff["metrics"]] == [2]
    assert diff["from"]["sequence"] == middle
    assert not diff["state_truncated"]
    assert diff["to"] == {"at": diff["to"]["at"], "sequence": last, "exists": True}
    # From before it began to now.
    whole = (await surface.get(f"{SESSION}/diff?from=2020-01-01T00:00:00Z&limit=1")).json()
    assert whole["from"] == {"at": "2020-01-01T00:00:00.000000Z", "sequence": None, "exists": False}
    assert {"path": "/product", "change": "added", "to": "P"} in whole["state"]
    assert whole["event_count"] == 2
    assert [event["name"] for event in whole["events"]] == ["n1"]
    nothing = (await surface.get(f"{SESSION}/diff?from={last}&to={last}")).json()
    assert nothing["state"] == nothing["fields"] == nothing["events"] == nothing["metrics"] == []
    swapped = await surface.get(f"{SESSION}/diff?from={last}&to={first}")
    assert swapped.status_code == 400
    assert "`from` must not be after `to`" in swapped.json()["details"]


async def test_heartbeats_count_if_they_are_the_newest_ones(nc: Client, surface: httpx.AsyncClient) -> None:
    line = Line(nc)
    created = await line.created("S1")
    await line.put("heartbeat", "S1")
    assert (await surface.get(SESSION, headers=passed(created))).status_code == 200
    (beat,) = await line.stored("HEARTBEATS")
    at = format_time(beat.stored_at)
    assert (await surface.get(SESSION, params={"at": at})).json()["last_heartbeat"] == at
    later = (
        await surface.get(SESSION, params={"at": format_time(beat.stored_at + timedelta(hours=1))})
    ).json()
    assert later["last_heartbeat"] == at
    assert "last_heartbeat" not in (await surface.get(SESSION, params={"at": str(created)})).json()


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("at=0", 400, "from 1 on"),
        ("at=9999999999999999999", 400, "from 1 on"),
        ("at=yesterday", 400, "RFC 3339"),
        ("at=2026-01-31T12:00:00+02:00", 400, "%2B"),
        ("at=1&at=2", 400, "more than once"),
        ("at=2020-01-01T00:00:00Z", 404, "not yet"),
    ],
)
async def test_what_cannot_be_answered(
    nc: Client, surface: httpx.AsyncClient, query: str, status: int, says: str
) -> None:
    sequence = await Line(nc).created("S1")
    assert (await surface.get(SESSION, headers=passed(sequence))).status_code == 200
    answer = await surface.get(f"{SESSION}?{query}")
    assert answer.status_code == status
    assert says in answer.json()["details"]


async def test_a_long_path_is_not_repeated_without_end(nc: Client, surface: httpx.AsyncClient) -> None:
    """Half a megabyte that every one of 30,000 differences would begin with: 15 GB."""
    line = Line(nc)
    first = await line.created("S1")
    state = {"x" * 500_000: {f"k{number}": number for number in range(30_000)}}
    last = await line.put("state", "S1", state)
    answer = await surface.get(f"{SESSION}/diff?from={first}", headers=passed(last))
    assert answer.status_code == 200
    (difference,) = answer.json()["state"]
    assert difference["path"] == "/" + "x" * 500_000
    changed = {"x" * 500_000: {f"k{number}": -1 for number in range(30_000)}}
    end = await line.put("state", "S1", changed)
    answer = await surface.get(f"{SESSION}/diff?from={last}", headers=passed(end))
    assert answer.status_code == 200
    assert answer.json()["state_truncated"]
    assert 0 < len(answer.json()["state"]) < 20


async def test_diff_wants_a_beginning_and_knows_its_parameters(surface: httpx.AsyncClient) -> None:
    for query, says in (("", "from"), ("from=1&since=2", "from, to, limit"), ("from=1&limit=0", "limit")):
        answer = await surface.get(f"{SESSION}/diff?{query}")
        assert answer.status_code == 400
        assert says in answer.json()["details"]
    assert (await surface.get(f"{SESSION}/diff?from=1")).status_code == 404
    assert (await surface.get("/api/sessions/none?at=1")).status_code == 404


async def test_a_skipped_fact_is_skipped_in_the_past_as_well(
    nc: Client, surface: httpx.AsyncClient, db: Any
) -> None:
    line = Line(nc)
    await line.created("S1")
    bad = await line.put("state", "S1", {"bad": 1})
    last = await line.put("state", "S1", {"good": 1})
    assert (await surface.get(SESSION, headers=passed(last))).status_code == 200
    await db.execute(
        "insert into foldline.skip (projection, stream, seq, reason)"
        " values ('sessions', 'SESSIONS', %s, 'why')",
        (bad,),
    )
    state = (await surface.get(f"{SESSION}?at={last}")).json()["state"]
    assert "bad" not in state
    assert state["good"] == 1


async def test_more_facts_than_can_be_folded_at_once(
    nc: Client, surface: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.sessions.time_travel._MOST_FACTS", 3)
    line = Line(nc)
    sequences = [await line.put("event", "S1", {"name": f"n{n}"}) for n in range(5)]
    assert (await surface.get(SESSION, headers=passed(sequences[-1]))).status_code == 200
    assert (await surface.get(f"{SESSION}?at={sequences[2]}")).status_code == 200
    answer = await surface.get(f"{SESSION}?at={sequences[3]}")
    assert answer.status_code == 422
    assert "ask for a time before" in answer.json()["details"]


async def test_a_fact_that_cannot_be_folded_is_named(
    nc: Client, surface: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line(nc)
    created = await line.created("S1")
    ended = await line.put("ended", "S1")
    assert (await surface.get(SESSION, headers=passed(ended))).status_code == 200

    def fail(*_: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setitem(projections.sessions.fold._FOLDS, "ended", fail)
    answer = await surface.get(f"{SESSION}?at={ended}")
    assert answer.status_code == 503
    assert f"SESSIONS {ended} cannot be folded" in answer.json()["details"]
    assert (await surface.get(f"{SESSION}?at={created}")).status_code == 200
