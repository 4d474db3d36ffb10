"""Every surface answers as its OpenAPI document says: statuses, media types, headers, every field."""

import asyncio
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import nats
import psycopg
import pytest
from schemathesis.core.failures import FailureGroup

from schemas.jobs.responses import LiveJobEvent
from schemas.subjects import partition_of
from tests.acceptance.conformance import Conformance, Values, operation_ids
from tests.acceptance.stack import running_sites
from tests.support.http import sync_http_client
from tests.support.jobs import APP, job_event
from tests.support.settings import PARTITIONS
from tests.support.strict_schema import problems
from tests.support.waiting import wait_until_sync

SITE = "fab1"
EVENT = {
    "name": "failed",
    "level": "error",
    "category": "ui",
    "group": "g",
    "labels": ["a"],
    "message": "m",
    "data": {"a": [None]},
    "stacktrace": ["f"],
    "exception_type": "E",
    "exception_msg": "m",
    "source_file": "f.py",
    "source_line": 7,
    "source_function": "f",
}
METRICS = (
    {
        "name": "load",
        "value": 2**53,
        "type": "timer",
        "count": 2,
        "unit": "s",
        "tags": {"a": 1},
        "metadata": {},
    },
    {"name": "load", "value": -0.5, "tags": ["a"]},
)
# Operations that change what the others find come last; the stack is as before when they are done.
LAST = (
    "end_session",
    "report_session_crash",
    "retry_rejected_event",
    "retry_parked",
    "skip_parked_event",
    "verify_projection",
    "pause_projection",
    "resume_projection",
    "pause_reactor",
    "resume_reactor",
    "rebuild_projection",
    "cancel_rebuild",
    "drop_generation",
    "put_back_projection",
)


READING = {
    "site": [SITE],
    "Foldline-Wait": [0, 20, 10**9],
    "limit": [1, 2, 1000],
    "from": ["2020-01-01T00:00:00Z"],
    "to": ["2100-01-01T00:00:00+02:00"],
}


PARKED = [f"parked-{number}" for number in range(30)]
SLOW = ("verify_projection", "rebuild_projection", "put_back_projection")


class Filled:
    """A site and its centre with sessions, jobs, rejected events and parked entities.

    `values` are those that exist, by surface.
    """

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told["sites"][0]
        self.urls = {name: self.told[f"{name}_url"] for name in ("api", "jobs", "sidecar", "daemon")}
        self.urls["central"] = told["centre"]["central_url"]
        self.values: dict[str, Values] = {"sidecar": {}}

    def fill(self) -> None:
        with sync_http_client(self.urls["api"], timeout=60) as api:
            sessions = filled_sessions(api)
            self.values["api"] = sessions | self._set_aside(api, sessions["session_id"][0])
        with sync_http_client(self.urls["jobs"], timeout=60) as jobs:
            self.values["jobs"] = filled_jobs(jobs)
        with sync_http_client(self.urls["daemon"], timeout=60) as daemon:
            body = {"product": "P", "version": "1", "parent_pid": os.getpid()}
            watched = [posted(daemon, "/register", body).json()["session_id"] for _ in range(3)]
            self.values["daemon"] = {"session_id": watched}
        with sync_http_client(self.urls["central"], timeout=60) as centre:
            at_site = {"site": SITE}
            wait_until_sync(lambda: centre.get("/v1/jobs", params=at_site).json().get("count") == 4, 60)
            page = centre.get("/v1/jobs", params=at_site | {"limit": 1})
            position = page.headers["Foldline-Position"]
            self.values["central"] = self.values["jobs"] | {"Foldline-Min-Position": [position, "none"]}

    def _set_aside(self, api: httpx.Client, session: str) -> Values:
        subject = f"ev.{SITE}.session.{session}.event"

        async def publish() -> list[int]:
            client = await nats.connect(self.told["nats_url"])
            stream = client.jetstream()
            bodies = (b'{"name":', b'{"name":5}', b'{"name":"a\\u0000b"}', b"\xff", b'{"name":""}', b"7")
            acks = [await stream.publish(subject, body) for body in bodies]
            acks.append(await stream.publish(f"ev.{SITE}.job.J.started", b"{}"))
            await client.close()
            return [ack.seq for ack in acks]

        sequences = asyncio.run(publish())
        wait_until_sync(lambda: api.get("/v1/rejected").json()["total"] == len(sequences))
        with closing(psycopg.connect(self.told["database_url"], autocommit=True)) as conn:
            for number, parked in enumerate(PARKED, 1):
                park(conn, parked, number)
        names = [one["name"] for one in api.get("/v1/projections").json()["projections"]]
        names.append(api.get("/v1/reactors").json()["reactors"][0]["name"])
        return {
            "name": names,
            "stream": ["SESSIONS"],
            "sequence": sequences[:-1],
            "generation": ["old"],
            "id": PARKED,
            "subject": [subject],
            "time": ["2026-01-31T12:00:00Z"],
            "retry_rejected_event": [{"name": "corrected"}],
        }


def filled_sessions(api: httpx.Client) -> Values:
    """Write four sessions, and return what may be asked about them."""
    ids: list[str] = []
    for number in range(4):
        body = {"product": "P", "version": "1", "machine_id": "m", "hostname": "h"}
        created = posted(api, "/api/sessions", body if number else {"product": "P", "version": "2"})
        ids.append(created.json()["id"])
        path = f"/api/sessions/{ids[-1]}"
        for event in (EVENT, {"name": "plain"}):
            posted(api, f"{path}/events", event)
        for metric in METRICS:
            posted(api, f"{path}/metrics", metric)
        posted(api, f"{path}/state", {"a": {"b": number}, "list": [1]})
        posted(api, f"{path}/heartbeat", {})
    posted(api, f"/api/sessions/{ids[1]}/crash", {"reason": "r"})
    last = posted(api, f"/api/sessions/{ids[0]}/end", {}).headers["Foldline-Position"]
    page = api.get(f"/api/sessions/{ids[0]}/events", params={"limit": 1}).json()
    listed = api.get("/api/data/sessions", params={"limit": 1})
    moments = [last.rpartition(":")[2], page["items"][0]["timestamp"]]
    return READING | {
        "session_id": ids,
        "Foldline-Min-Position": [last, f"{last},JOBS/1:99", "SESSIONS/99:1"],
        "Foldline-Time": ["2026-01-31T12:00:00Z"],
        "at": moments,
        "from": ["1"],
        "to": moments,
        "since": ["2020-01-01T00:00:00Z"],
        "until": ["2100-01-01T00:00:00+02:00"],
        "created_after": ["2020-01-01T00:00:00Z"],
        "created_before": ["2100-01-01T00:00:00Z"],
        "product": ["P"],
        "version": ["1"],
        "machine_id": ["m"],
        "hostname": ["h"],
        "status": ["active"],
        "state": [["a.b=1"], ["list=[1]"]],
        "state_ever": [["a.b=1"]],
        "has_event": [["plain"]],
        "metric": ["load"],
        "filter_path": ["a.b"],
        "filter_value": ["1"],
        "cursor": [page["next_cursor"], listed.headers["Foldline-Next-Cursor"]],
        "reason": ["invalid_json", "for a test"],
    }


def filled_jobs(jobs: httpx.Client) -> Values:
    """Write four jobs with subjobs, and return what may be asked about them."""
    events = []
    told = {"metrics": {"mem_max_mb": 7, "other": 1e23}, "metadata": {"a": {"b": None}}}
    for number in range(4):
        job = f"J{number}"
        for kind in ("started", "progress", "finished"):
            events += [job_event(job, kind, **told), job_event(job, kind, sub=f"{job}-1", **told)]
    events.append(job_event("J3", "error", minute=1, status="failed"))
    written = posted(jobs, "/v1/ingest/events:batch", events)
    position = written.headers["Foldline-Position"]
    return READING | {
        "job_id": [f"J{number}" for number in range(4)],
        "app_id": [APP["app_id"]],
        "app_name": [APP["name"]],
        "status": ["succeeded,failed"],
        "Foldline-Min-Position": [position, "SESSIONS/1:99", "JOBS/99:1"],
        "cursor": [jobs.get("/v1/jobs", params={"limit": 1}).json()["next_cursor"]],
    }


def park(conn: psycopg.Connection, session_id: str, sequence: int) -> None:
    """Park a session at its first fact, as if its fold had raised."""
    values = {
        "part": partition_of(session_id, PARTITIONS),
        "site": SITE,
        "id": session_id,
        "seq": sequence,
        "subject": f"ev.{partition_of(session_id, PARTITIONS)}.{SITE}.session.{session_id}.created",
    }
    conn.execute(
        "insert into sessions.parked (part, site, id, stream, seq, error)"
        " values (%(part)s, %(site)s, %(id)s, 'SESSIONS', %(seq)s, 'an error')",
        values,
    )
    conn.execute(
        "insert into sessions.parked_event (part, site, id, stream, seq, stored_at, subject, headers, body)"
        " values (%(part)s, %(site)s, %(id)s, 'SESSIONS', %(seq)s, now(), %(subject)s, '',"
        """ '{"product": "P", "version": "1"}')""",
        values,
    )


def posted(client: httpx.Client, path: str, body: Any) -> httpx.Response:
    """Write, readable at once, and return the answer."""
    answer = client.post(path, json=body, headers={"Foldline-Wait": "20000"})
    assert answer.is_success, answer.text
    return answer


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    with running_sites(SITE) as told:
        made = Filled(told)
        made.fill()
        yield made


@pytest.mark.parametrize(
    ("surface", "never"),
    [
        ("jobs", {"stream_job_events"}),
        ("central", set()),
        ("sidecar", set()),
        ("daemon", set()),
        # No rebuild is under way for long enough: tests/integration/test_projections.py has one.
        ("api", {"read_rebuild", "drop_generation", "put_back_projection"}),
    ],
)
def test_answers_are_as_described(filled: Filled, surface: str, never: set[str]) -> None:
    conformance = Conformance(filled.urls[surface], filled.values[surface])
    present = [
        name
        for name in LAST
        if any(name in operation_ids(conformance.document, one) for one in ("post", "delete"))
    ]
    conformance.check(examples=16, last=present, slow=SLOW)
    for method in ("get", "post", "delete"):
        for name in operation_ids(conformance.document, method):
            successes = sum(n for status, n in conformance.statuses[name].items() if status < 300)
            assert successes or name in never, f"{name} never succeeded: {dict(conformance.statuses[name])}"


@pytest.mark.parametrize(
    ("operation", "field"), [("list_jobs", "stalled"), ("read_job_stats", "cpu_s"), ("read_job", "404")]
)
def test_what_is_not_described_is_found(filled: Filled, operation: str, field: str) -> None:
    conformance = Conformance(filled.urls["jobs"], filled.values["jobs"])
    for path, found in list(conformance.document["paths"].items()):
        described = found.get("get")
        if described is None or described["operationId"] != operation:
            del conformance.document["paths"][path]
        else:
            described["responses"].pop(field, None)
    for schema in conformance.document["components"]["schemas"].values():
        schema["properties"].pop(field, None)
        schema["required"] = [name for name in schema["required"] if name != field]
    with pytest.raises(FailureGroup):
        conformance.check(examples=64)  # many have a cursor that is none: 422


def test_live_events_are_as_described(filled: Filled) -> None:
    with (
        sync_http_client(filled.urls["jobs"], timeout=60) as jobs,
        jobs.stream("GET", "/v1/stream", headers={"Last-Event-ID": "0"}) as answer,
    ):
        assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        events = [json.loads(line.removeprefix("data: ")) for line in itertools.islice(lines, 24)]
    # `resync` says that the stream begins later than after 0.
    live = [event for event in events if event.keys() != {"asked", "next"}]
    assert {event["entity_type"] for event in live} == {"job", "subjob"}
    assert [problem for event in live for problem in problems(LiveJobEvent, event)] == []
