"""Numbers come back as they were sent, through every read of sessions and jobs, or are refused."""

import csv
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import pytest
from nats.aio.client import Client

from foldline.api_process import ApiProcess
from foldline.settings import Settings
from foldline.surface_apps import create_app
from foldline.surfaces import API, JOBS, Surface
from tests.support.daemon_host import DaemonHost
from tests.support.engine import engine
from tests.support.http import http_client
from tests.support.jobs import job_event
from tests.support.line import Line
from tests.support.served import served
from tests.support.waiting import wait_until

SENT: Final = [
    *("0", "-1", "40", "9007199254740993", "9223372036854775808", "-18446744073709551617", "9" * 30),
    *("1" + "0" * 23, "1" + "0" * 308, "25614222880669710"),
    *("0.0", "-0.0", "1.0", "-5.0", "0.1", "4.35", "0.30000000000000004", "1e5", "1E+5", "100000.0", "1e15"),
    *(
        "1e16",
        "2.561422288066971e16",
        "123456789012345680.0",
        "1e22",
        "1e23",
        "1e308",
        "1.7976931348623157e308",
    ),
    *("5e-324", "2.2250738585072014e-308", "1.7e-300", "-1e-7"),
]
"""Numbers as producers write them. What comes back is read by Python, which tells integers from doubles."""
NUMBERS: Final = f"[{','.join(SENT)}]"
KEPT: Final = [repr(number) for number in json.loads(NUMBERS)]
REFUSED: Final = ["1e309", "-1e309", "1e-400", "0." + "0" * 400 + "1", "7" * 4301]

Read = Callable[[httpx.AsyncClient], Awaitable[Any]]


@asynccontextmanager
async def site(settings: Settings, surface: Surface) -> AsyncIterator[httpx.AsyncClient]:
    """Run the engine, and serve a surface on a socket: a live stream does not end."""
    process = ApiProcess(settings)
    app = create_app(surface, process)
    async with (
        engine(settings),
        process.bootstrap.started(),
        served(app) as url,
        http_client(url, timeout=60, headers={"Foldline-Wait": "20000"}) as client,
    ):
        yield client


async def write(client: httpx.AsyncClient, path: str, body: str) -> int:
    """Post a body, and return the sequence it was stored under."""
    answer = await client.post(path, content=body.encode())
    assert answer.status_code < 300, answer.text
    assert "Foldline-Projected" not in answer.headers
    return int(answer.headers["Foldline-Position"].rpartition(":")[2])


def read(path: str, find: Callable[[Any], Any], **query: Any) -> Read:
    """Return a read of a path; `find` takes the numbers out of its answer."""

    async def found(client: httpx.AsyncClient) -> Any:
        answer = await client.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return find(answer.json())

    return found


async def check(client: httpx.AsyncClient, reads: dict[str, Read], kept: list[str] = KEPT) -> None:
    """Compare all numbers by all reads, and show every difference at once."""
    wrong = {}
    for name, numbers_by in reads.items():
        numbers = [repr(number) for number in await numbers_by(client)]
        if numbers != kept:
            wrong[name] = [pair for pair in zip(kept, numbers, strict=False) if pair[0] != pair[1]] or numbers
    assert wrong == {}


def values(metrics: Any) -> list[Any]:
    return [metric["value"] for metric in metrics]


def document_reads(
    name: str, path: str, document: Callable[[Any], Any] = lambda body: body
) -> dict[str, Read]:
    """Return the reads of everything that a session's document holds."""
    return {
        f"{name}: state": read(path, lambda body: document(body)["state"]["n"]),
        f"{name}: event": read(path, lambda body: document(body)["events"][0]["data"]["n"]),
        f"{name}: metrics": read(path, lambda body: values(document(body)["metrics"])),
        f"{name}: metadata": read(path, lambda body: document(body)["metrics"][0]["metadata"]["n"]),
        f"{name}: history": read(path, lambda body: document(body)["state_history"][-1]["state"]["n"]),
    }


def series_read(aggregation: str) -> Read:
    async def found(client: httpx.AsyncClient) -> list[Any]:
        points = []
        for place, _ in enumerate(SENT):
            query = {"metric": f"m{place}", "aggregation": aggregation}
            points += (await client.get("/api/timeseries", params=query)).json()["Points"]
        return [point["Value"] for point in points]

    return found


def session_reads(first: int, last: int) -> dict[str, Read]:
    s1, diff = "/api/sessions/S1", f"/api/sessions/S1/diff?from={first}&to={last}"
    return {
        **document_reads("document", s1),
        **document_reads("as it was", f"{s1}?at={last}"),
        **document_reads("list", "/api/data/sessions", lambda body: body[0]),
        "list without timelines": read(
            "/api/data/sessions?timelines=false", lambda body: body[0]["state"]["n"]
        ),
        "events": read(f"{s1}/events", lambda body: body["items"][0]["data"]["n"]),
        "metrics": read(f"{s1}/metrics", lambda body: values(body["items"])),
        "history": read(f"{s1}/history?order=desc", lambda body: body["items"][0]["state"]["n"]),
        "diff: state": read(diff, lambda body: body["state"][0]["to"]),
        "diff: event": read(diff, lambda body: body["events"][0]["data"]["n"]),
        "diff: metrics": read(diff, lambda body: values(body["metrics"])),
        **{f"series: {aggregation}": series_read(aggregation) for aggregation in ("all", "peak", "min")},
    }


async def test_numbers_of_a_session(settings: Settings, nc: Client) -> None:
    async with site(settings, API) as client:
        s1 = "/api/sessions/S1"
        first = await Line(nc).created("S1")
        await write(client, f"{s1}/state", f'{{"n":{NUMBERS}}}')
        await write(client, f"{s1}/events", f'{{"name":"e","data":{{"n":{NUMBERS}}}}}')
        for place, number in enumerate(SENT):
            more = f',"metadata":{{"n":{NUMBERS}}}' if place == 0 else ""
            last = await write(client, f"{s1}/metrics", f'{{"name":"m{place}","value":{number}{more}}}')
        await check(client, session_reads(first, last))
        invalid = await Line(nc).put("metric", "S1", f'{{"name":7,"value":{NUMBERS}}}'.encode())
        await write(client, f"{s1}/events", '{"name":"after"}')
        shown = read(f"/v1/rejected/SESSIONS/{invalid}", lambda body: body["body"]["value"])
        await check(client, {"rejected": shown})
    async with site(settings, API) as client:  # nothing is remembered: the state is loaded from its row
        await write(client, "/api/sessions/S1/state", '{"later":1}')
        await check(client, session_reads(first, last))


def job_reads(name: str, path: str, job: Callable[[Any], Any]) -> dict[str, Read]:
    return {
        f"{name}: metrics": read(path, lambda body: job(body)["metrics"].values()),
        f"{name}: metadata": read(path, lambda body: job(body)["metadata"]["n"]),
    }


def table_read(path: str, accept: str, row: Callable[[str], Any], column: str) -> Read:
    """Return a read of a list in another format."""

    async def found(client: httpx.AsyncClient) -> Any:
        answer = await client.get(path, headers={"Accept": accept})
        told = row(answer.text)[column]
        told = json.loads(told) if isinstance(told, str) else told
        return told.values() if column == "metrics" else told["n"]

    return found


def table_reads(path: str) -> dict[str, Read]:
    rows: dict[str, Callable[[str], Any]] = {
        "text/csv": lambda text: next(csv.DictReader(io.StringIO(text))),
        "application/x-ndjson": json.loads,
    }
    return {
        f"{path} as {accept}: {column}": table_read(path, accept, row, column)
        for accept, row in rows.items()
        for column in ("metrics", "metadata")
    }


def job_body(kind: str = "started", *, sub: str | None = None, metrics: str, metadata: str) -> str:
    """Return an event whose numbers are written as they are given."""
    body = json.dumps(job_event("J1", kind, sub=sub, metrics="M", metadata="D", site=None))
    return body.replace('"M"', metrics).replace('"D"', metadata)


async def live_event(client: httpx.AsyncClient, after: int) -> Any:
    async with client.stream("GET", "/v1/stream", headers={"Last-Event-ID": str(after)}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))["payload"]
    raise AssertionError("the stream has ended")


async def test_numbers_of_a_job(settings: Settings) -> None:
    metrics = ",".join(f'"m{place:02}":{number}' for place, number in enumerate(SENT))
    told = {"metrics": f"{{{metrics}}}", "metadata": f'{{"n":{NUMBERS}}}'}
    whole = "/v1/jobs/J1"
    reads = {
        **job_reads("jobs", "/v1/jobs", lambda body: body["items"][0]),
        **job_reads("subjobs", "/v1/subjobs", lambda body: body["items"][0]),
        **job_reads("job", whole, lambda body: body),
        **job_reads("job: event", whole, lambda body: body["events"][0]),
        **job_reads("job: subjob", whole, lambda body: body["subjobs"][0]),
        "job: attempt": read(whole, lambda body: body["attempt_list"][0]["metrics"].values()),
        **table_reads("/v1/jobs"),
        **table_reads("/v1/subjobs"),
    }
    async with site(settings, JOBS) as client:
        position = await write(client, "/v1/ingest/events", job_body(**told))
        await write(client, "/v1/ingest/events", job_body(sub="s", **told))
        await check(client, reads)
        payload = await live_event(client, position - 1)
        assert [repr(number) for number in payload["metrics"].values()] == KEPT
        assert [repr(number) for number in payload["metadata"]["n"]] == KEPT
    async with site(settings, JOBS) as client:
        await write(client, "/v1/ingest/events", job_body("progress", metrics="{}", metadata='{"later":1}'))
        await check(client, reads)


async def test_what_every_job_measures(settings: Settings) -> None:
    """The four metrics that have columns of their own."""
    names = ("duration_s", "cpu_user_s", "cpu_system_s", "mem_max_mb")
    async with site(settings, JOBS) as client:
        for sent in (["5", "0.0", "3", "512"], ["5.0", "7", "-0.0", "1e3"]):
            metrics = ",".join(f'"{name}":{number}' for name, number in zip(names, sent, strict=True))
            await write(
                client, "/v1/ingest/events", job_body("finished", metrics=f"{{{metrics}}}", metadata="{}")
            )
            kept = [repr(json.loads(number)) for number in sent]
            find = lambda body: [body["items"][0][name] for name in names]  # noqa: E731
            await check(client, {"columns": read("/v1/jobs", find)}, kept)
            answer = await client.get("/v1/jobs", headers={"Accept": "text/csv"})
            (row,) = csv.DictReader(io.StringIO(answer.text))
            assert [row[name] for name in names] == kept


async def test_the_longest_integer(settings: Settings) -> None:
    number = "8" * 4300
    async with site(settings, JOBS) as client:
        body = job_body(metrics=f'{{"m":{number}}}', metadata=f'{{"n":{number}}}')
        await write(client, "/v1/ingest/events", body)
        (job,) = (await client.get("/v1/jobs")).json()["items"]
        assert (job["metrics"]["m"], job["metadata"]["n"]) == (int(number), int(number))
        assert len((await client.get("/v1/jobs", params={"metadata.n": number})).json()["items"]) == 1


@pytest.mark.parametrize("number", REFUSED, ids=lambda number: number[:10])
async def test_a_number_that_cannot_be_kept(settings: Settings, nc: Client, number: str) -> None:
    async with site(settings, API) as client:
        line = Line(nc)
        await line.created("S1")
        body = f'{{"name":"m","value":{number}}}'
        answer = await client.post("/api/sessions/S1/metrics", content=body)
        assert answer.status_code == 400
        assert "digits" in answer.text if number.isdigit() else number[:20] in answer.json()["details"]
        sequence = await line.put("metric", "S1", body.encode())

        async def rejected() -> bool:
            items = (await client.get("/v1/rejected")).json()["items"]
            return [item["reason"] for item in items] == ["invalid_number"]

        await wait_until(rejected)
        shown = (await client.get(f"/v1/rejected/SESSIONS/{sequence}")).json()
        assert (shown["encoding"], shown["body"]) == ("text", body)


async def test_numbers_through_the_daemon(daemon_host: DaemonHost) -> None:
    numbers = json.loads(NUMBERS)
    await daemon_host.start()
    session_id = await daemon_host.register()
    await daemon_host.ask("state", session_id=session_id, state={"n": numbers})
    await daemon_host.ask("event", session_id=session_id, name="e", data={"n": numbers})
    for number in numbers:
        await daemon_host.ask("metric", session_id=session_id, name="m", value=number)
    await daemon_host.drained()
    _, (_, state), (_, event), *metrics = await daemon_host.said(session_id)
    assert [repr(number) for number in state["state"]["n"]] == KEPT
    assert [repr(number) for number in event["data"]["n"]] == KEPT
    assert [repr(body["value"]) for _, body in metrics] == KEPT


FILTERS: Final = (
    "4e97311",
    "1e999",
    "-1e999",
    "1e-400",
    "7" * 4301,
    "NaN",
    "Infinity",
    "0x10",
    "1_000",
    "٣",
    "[1e999]",
)
"""Texts that some parsers take for numbers, and that are none which can be kept."""
EQUAL: Final = {
    "100": ("100", "1e2", "100.0", "1E+2"),
    "-0.0": ("0", "-0", "0.0"),
    "1e23": ("1e23", "1" + "0" * 23),
}
"""Numbers as JSON, each with other ways to write it."""


async def test_a_filter_of_metadata_is_a_text_unless_it_is_a_number(settings: Settings) -> None:
    async with site(settings, JOBS) as client:

        async def listed(**query: str) -> int:
            answer = await client.get(
                "/v1/jobs", params={f"metadata.{name}": one for name, one in query.items()}
            )
            assert answer.status_code == 200, answer.text
            return len(answer.json()["items"])

        for text in FILTERS:
            assert await listed(commit=text) == 0
        metadata = json.dumps({f"t{place}": text for place, text in enumerate(FILTERS)})
        numbers = ",".join(f'"n{place}":{number}' for place, number in enumerate(EQUAL))
        await write(
            client, "/v1/ingest/events", job_body(metrics="{}", metadata=f"{metadata[:-1]},{numbers}}}")
        )
        for place, text in enumerate(FILTERS):
            assert await listed(**{f"t{place}": text}) == 1, text
        everything = {f"t{place}": text for place, text in enumerate(FILTERS)}
        assert await listed(**everything) == 1
        assert await listed(**everything | {"t3": "1e-401"}) == 0
        for place, ways in enumerate(EQUAL.values()):
            for way in ways:
                assert await listed(**{f"n{place}": way}) == 1, way
                assert await listed(**{f"n{place}": way, "t0": FILTERS[0]}) == 1


async def test_a_filter_of_a_state_is_a_text_unless_it_is_a_number(settings: Settings, nc: Client) -> None:
    async with site(settings, API) as client:
        await Line(nc).created("S1")
        texts = json.dumps({f"t{place}": text for place, text in enumerate(FILTERS)})
        numbers = ",".join(f'"n{place}":{number}' for place, number in enumerate(EQUAL))
        await write(client, "/api/sessions/S1/state", f"{texts[:-1]},{numbers}}}")
        await write(client, "/api/sessions/S1/metrics", '{"name":"m","value":1}')
        asked = [(f"t{place}", text) for place, text in enumerate(FILTERS)]
        asked += [(f"n{place}", way) for place, ways in enumerate(EQUAL.values()) for way in ways]
        for path, text in asked:
            for name in ("state", "state_ever"):
                for value, number in ((f"{path}={text}", 1), (f"product={text}", 0)):
                    answer = await client.get("/api/data/sessions", params={name: value})
                    assert (answer.status_code, len(answer.json())) == (200, number), value
            for mode in ("current_state", "state_history"):
                query = {"metric": "m", "filter_mode": mode, "filter_path": path, "filter_value": text}
                answer = await client.get("/api/timeseries", params=query)
                assert (answer.status_code, answer.json()["SessionsMatched"]) == (200, 1), query
