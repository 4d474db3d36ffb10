"""One key, one effect, through every door: a repetition has none, anything else under a used key is told."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, LiteralString

import pytest
from nats.aio.client import Client

from foldline.settings import Settings
from foldline.surfaces import API, JOBS
from runtime.database.connections import Connection
from schemas.jobs.streams import JOBS as JOBS_STREAM
from tests.support.doors import DOORS, WAIT, Doors, Told, open_doors, text
from tests.support.engine import engine
from tests.support.jobs import job_event
from tests.support.line import Line, Model
from tests.support.served_surface import served_surface
from tests.support.waiting import wait_until

When = Literal["at once", "after a restart", "after three minutes"]

RECOMMENDED: Final = {"api", "batch", "sidecar", "nats, recommended id"}
REPEATS: Final = ("same", "spelled otherwise", "time")
KEYED: Final = {"Idempotency-Key": "k", **WAIT}
APP: Final = {"product": "P", "version": "1"}
Pairs = Sequence[tuple[int, tuple[str, str, str]]]
OTHERS: Final = ("same", "spelled otherwise", "time", "body", "kind", "subjob", "job")


def first(job: str) -> dict[str, Any]:
    """Return the event that takes the key: each one counts in `errors`."""
    return job_event(job, "error", key="plain", site=None, metadata={"n": 1}, status="running")


def second(job: str, other: str) -> dict[str, Any]:
    """Return the event under the same key that differs in one way."""
    body = first(job)
    event = body["event"]
    if other == "spelled otherwise":
        body["spelled"] = True
    elif other == "time":
        event |= {"at": "2025-10-19T12:00:01Z", "started_at": "2025-10-19T12:00:00Z"}
    elif other == "body":
        event["metadata"] = {"n": 2}
    elif other == "kind":
        event |= {"kind": "finished", "status": "succeeded"}
    elif other == "subjob":
        body["entity"] |= {"type": "subjob", "id": "S", "parent_id": job}
    elif other == "job":
        body["entity"]["id"] = f"{job}-other"
    return body


async def each(calls: Sequence[Awaitable[Told]]) -> list[Told]:
    """Await calls, a few at a time."""
    room = asyncio.Semaphore(16)

    async def one(call: Awaitable[Told]) -> Told:
        async with room:
            return await call

    return list(await asyncio.gather(*map(one, calls)))


def expected(before: str, door: str, other: str, *, forgotten: bool) -> tuple[Told, int]:
    """Return what the producer of the second event is told, and how many events are set aside."""
    known = {before, door} <= RECOMMENDED and not forgotten and other != "job"
    repeats, plain = other in REPEATS, door.startswith("nats")
    told: Told = "ok" if repeats or other == "job" or door == "sidecar" or plain else "refused"
    if known and plain:
        told = "dropped"
    aside = not repeats and other != "job" and (not known or door == "sidecar")
    return told, int(aside)


@pytest.mark.parametrize("when", ["at once", "after a restart", "after three minutes"])
async def test_jobs(settings: Settings, nc: Client, db: Connection, tmp_path: Path, when: When) -> None:
    pairs = list(enumerate(itertools.product(DOORS, DOORS, OTHERS)))
    async with open_doors(settings, nc, tmp_path / "1") as doors:
        firsts = [doors.of(before)(first(f"J{n}")) for n, (before, _, _) in pairs]
        assert set(await each(firsts)) == {"ok"}
        if when != "after a restart":
            told = await send_second(doors, nc, pairs, forget=when == "after three minutes")
    if when == "after a restart":
        async with open_doors(settings, nc, tmp_path / "2") as doors:
            told = await send_second(doors, nc, pairs, forget=False)
    wrong = {}
    effects = dict(await rows(db, "select id, count(*) from jobs.event where kind <> 'progress' group by id"))
    rejected = await rows(db, "select id from jobs.rejected where reason = 'key_reused'")
    aside = Counter(id_ for (id_,) in rejected)
    for (n, pair), answer in zip(pairs, told, strict=True):
        found = answer, aside[f"J{n}"]
        if found != expected(*pair, forgotten=when == "after three minutes"):
            wrong[pair] = found
        others = {f"J{n}": 1, f"J{n}-other": 1} if pair[-1] == "job" else {f"J{n}": 1}
        if {id_: effects.pop(id_, 0) for id_ in others} != others:
            wrong[pair] = "effects"
    assert wrong == {}
    assert effects == {}


async def send_second(doors: Doors, nc: Client, pairs: Pairs, *, forget: bool) -> list[Told]:
    """Send the second event of each pair, and wait until all of them are folded."""
    if forget:
        await Line(nc).forget_message_ids(JOBS_STREAM, "ev.local.job.probe.started", b"{")
    told = await each([doors.of(door)(second(f"J{n}", other)) for n, (_, door, other) in pairs])
    names = [f"J{n}{suffix}" for n, _ in pairs for suffix in ("", "-other")]
    last = [job_event(job, "progress", site=None, key="last") for job in names]
    answer = await doors.http.post("/v1/ingest/events:batch", json=last, headers=WAIT)
    assert (answer.json()["failed"], answer.headers.get("Foldline-Projected")) == (0, None)
    return told


async def rows(db: Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return await (await db.execute(query)).fetchall()


async def test_a_run_with_one_key_for_start_and_end_is_told(
    settings: Settings, nc: Client, db: Connection, tmp_path: Path
) -> None:
    async with open_doors(settings, nc, tmp_path) as doors:
        start, end = (job_event("J1", kind, key="run-1", site=None) for kind in ("started", "finished"))
        batch = await doors.http.post("/v1/ingest/events:batch", json=[start, end], headers=WAIT)
        (error,) = batch.json()["errors"]
        assert (batch.json()["success"], error["index"], error["error"]) == (1, 1, "key_reused")
        assert "ev.local.job.J1.started" in error["detail"]
        assert (await doors.http.get("/v1/jobs/J1")).json()["status"] == "running"
        single = await doors.http.post("/v1/ingest/events", json=end, headers={"Foldline-Wait": "0"})
        assert single.status_code == 409
        assert await rows(db, "select * from jobs.rejected") == []
        spooled = await doors.sidecar.post("/v1/ingest/events:batch", json=[end, end])
        assert spooled.json() == {"ok": True, "forwarded": 2, "spooled": 0}
        await wait_until(lambda: folded(db, 1))
        # Corrected: what replaces a rejected event has a key of its own.
        (sequence,) = (await rows(db, "select seq from jobs.rejected where reason = 'key_reused'"))[0]
        async with served_surface(settings, API) as operations:
            retried = await operations.post(f"/v1/rejected/JOBS/{sequence}/retry")
            assert retried.status_code == 200, retried.text
            position = retried.headers["Foldline-Position"]
        shown = await doors.http.get("/v1/jobs/J1", headers={"Foldline-Min-Position": position})
        assert shown.json()["status"] == "succeeded"


async def folded(db: Connection, aside: int) -> bool:
    """Whether so many events were set aside."""
    return await rows(db, "select count(*) from jobs.rejected") == [(aside,)]


SECOND_WRITES: Final[dict[str, tuple[str, str, Any, int]]] = {
    "same": ("events", "event", {"name": "n", "data": {"a": 1}}, 200),
    "spelled otherwise": ("events", "event", {"data": {"a": 1.0}, "name": "n"}, 200),
    "time": ("events", "event", {"name": "n", "data": {"a": 1}, "timestamp": "2026-01-01T00:00:00Z"}, 200),
    "body": ("events", "event", {"name": "n", "data": {"a": 2}}, 409),
    "fact": ("state", "state", {"name": "n", "data": {"a": 1}}, 409),
    "end": ("end", "ended", {}, 409),
}


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("before", ["http", "nats"])
async def test_sessions(
    settings: Settings, nc: Client, db: Connection, before: str, *, forgotten: bool
) -> None:
    line, model = Line(nc), Model(db)
    body = {"name": "n", "data": {"a": 1}}
    async with engine(settings), served_surface(settings, API) as http:
        for n in range(len(SECOND_WRITES)):
            session, message_id = f"S{n}", f"local:session:S{n}:k"
            created = await http.post("/api/sessions", json={**APP, "session_id": session})
            assert created.status_code == 201
            if before == "http":
                answer = await http.post(f"/api/sessions/{session}/events", json=body, headers=KEYED)
                assert answer.status_code == 200
            else:
                await line.put("event", session, body, headers={"Nats-Msg-Id": message_id})
        if forgotten:
            await line.forget_message_ids()
        for n, (path, _, other, status) in enumerate(SECOND_WRITES.values()):
            answer = await http.post(f"/api/sessions/S{n}/{path}", json=other, headers=KEYED)
            assert answer.status_code == status, answer.text
            if status == 409:
                assert answer.json()["error"] == "Idempotency-Key already used"
            session = await model.session(f"S{n}")
            assert session is not None
            assert (len(session["events"]), session["ended_at"]) == (1, None)
            assert session["state"] == {"product": "P", "version": "1"}
    aside = {f"S{n}" for n, (*_, status) in enumerate(SECOND_WRITES.values()) if status == 409 and forgotten}
    assert {id_ for (id_,) in await rows(db, "select id from sessions.rejected")} == aside


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_session_is_created_once_by_a_key(settings: Settings, nc: Client, *, forgotten: bool) -> None:
    async with engine(settings), served_surface(settings, API) as http:
        first = await http.post("/api/sessions", json=APP, headers=KEYED)
        if forgotten:
            await Line(nc).forget_message_ids()
        again = await http.post(
            "/api/sessions", json={**APP, "timestamp": "2026-01-01T00:00:00Z"}, headers=KEYED
        )
        other = await http.post("/api/sessions", json={**APP, "version": "2"}, headers=KEYED)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert again.json() == first.json()
    assert other.json()["error"] == "Idempotency-Key already used"


async def test_a_key_whose_event_is_gone_is_no_success(settings: Settings, nc: Client) -> None:
    """JetStream drops the event for one that was purged: nobody can say whether it was the same."""
    async with served_surface(settings, JOBS) as http:
        body = text(first("J1"))
        for status in (200, 200, 503):
            if status == 503:
                await nc.jetstream().purge_stream("JOBS")
            answer = await http.post("/v1/ingest/events", content=body, headers={"Foldline-Wait": "0"})
            assert answer.status_code == status, answer.text
        assert "JOBS took the event for that at sequence 1, which is gone" in answer.json()["detail"]
        assert int(answer.headers["Retry-After"]) >= 1


async def test_a_batch_sent_again_has_its_positions_and_no_errors(settings: Settings) -> None:
    """It is compared event by event, and repeats of 1,000 take a moment, not a minute."""
    events = [job_event(f"J{n % 7}", "progress", key=str(n), site=None) for n in range(1_000)]
    async with served_surface(settings, JOBS) as http:
        answers = [await http.post("/v1/ingest/events:batch", json=events, timeout=20) for _ in range(2)]
        assert [answer.json()["success"] for answer in answers] == [1_000, 1_000]
        assert answers[0].headers["Foldline-Position"] == answers[1].headers["Foldline-Position"]
        events[500]["event"]["kind"] = "finished"
        (error,) = (await http.post("/v1/ingest/events:batch", json=events)).json()["errors"]
        assert (error["index"], error["error"]) == (500, "key_reused")
