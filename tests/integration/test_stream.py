"""The live stream of jobs: each reader sees each event once, in order, whatever happens to its connection."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from nats.aio.client import Client

from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from runtime.database.connections import Connection
from schemas.jobs.streams import JOBS
from tests.support.engine import engine
from tests.support.http import http_client
from tests.support.jobs import job_event
from tests.support.line import Line
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.waiting import wait_until

EVENTS = 5_000
JOBS_COUNT = 7


class Site:
    """A site's API as a process, and a publisher's view of it."""

    def __init__(self, settings: Settings, processes: Processes) -> None:
        self.settings = settings
        self.processes = processes
        self.url = f"http://127.0.0.1:{settings.jobs_port}"
        self.process: ProcessUnderTest
        self.http = http_client(self.url, timeout=60)

    async def start(self) -> None:
        self.process = self.processes.api(self.settings)

        async def ready() -> bool:
            try:
                return (await self.http.get("/v1/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await wait_until(ready, 40)

    async def send(self, *events: dict[str, Any]) -> None:
        answer = await self.http.post("/v1/ingest/events:batch", json=list(events))
        assert answer.status_code == 200, answer.text
        assert answer.json()["failed"] == 0, answer.text

    @asynccontextmanager
    async def reading(
        self, after: int | None = None, http: httpx.AsyncClient | None = None, **query: str
    ) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with (http or self.http).stream("GET", "/v1/stream", params=query, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            lines = answer.aiter_lines()
            assert await anext(lines) == ": connected"
            yield messages(lines)


async def messages(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, and its comments as `{"comment": …}`."""
    found: dict[str, Any] = {}
    async for line in lines:
        if line.startswith(":"):
            yield {"comment": line[1:].strip()}
        elif line:
            name, _, value = line.partition(": ")
            found[name] = value
        elif found:
            yield found
            found = {}


def number(message: dict[str, Any]) -> int:
    seen: int = json.loads(message["data"])["payload"]["metrics"]["n"]
    return seen


@pytest.fixture
async def site(settings: Settings, processes: Processes) -> AsyncIterator[Site]:
    ports = {"api_port": pick_port("127.0.0.1"), "jobs_port": pick_port("127.0.0.1")}
    settings = settings.model_copy(update=ports)
    settings.model_fields_set.update(ports)
    site = Site(settings, processes)
    async with engine(settings):
        await site.start()
        yield site
    await site.http.aclose()


async def test_an_event_as_it_is_shown(site: Site, nc: Client) -> None:
    async with site.reading() as coming:
        await site.send(job_event("J1", status="running", metadata={"a": "line\nbreak"}, key="k"))
        first = await anext(coming)
        await site.send(job_event("J1", "finished", sub="s", minute=1))
        second = await anext(coming)
    assert int(second["id"]) == int(first["id"]) + 1 == (await Line(nc).stored("JOBS"))[1].seq
    assert json.loads(first["data"]) == {
        "at": "2025-10-19T12:00:00.000000Z",
        "entity_type": "job",
        "entity_id": "J1",
        "job_id": "J1",
        "site_id": "fab1",
        "app_id": "11111111-1111-4111-8111-111111111111",
        "app_name": "app-name",
        "kind": "started",
        "status": "running",
        "payload": {"status": "running", "metrics": {}, "metadata": {"a": "line\nbreak"}},
    }
    told = json.loads(second["data"])
    assert (told["entity_type"], told["entity_id"], told["job_id"], told["status"]) == (
        "subjob",
        "s",
        "J1",
        "succeeded",
    )


async def test_filters(site: Site) -> None:
    async with (
        site.reading(site="fab2") as fab2,
        site.reading(kind="finished, error", app="app-name") as ended,
        site.reading(entity_type="subjob", job_id="J2") as subjobs,
    ):
        await site.send(
            job_event("J1", site="fab1"),
            job_event("J1", site="fab2"),
            job_event("J1", "finished", app={"app_id": "B", "name": "other"}),
            job_event("J2", "finished", sub="s", site="fab1"),
        )
        assert json.loads((await anext(fab2))["data"])["site_id"] == "fab2"
        assert json.loads((await anext(ended))["data"])["job_id"] == "J2"
        assert json.loads((await anext(subjobs))["data"])["entity_id"] == "s"
    for query in ("kind=exploded", "nothing=1"):
        assert (await site.http.get(f"/v1/stream?{query}")).status_code == 422
    wrong = await site.http.get("/v1/stream", headers={"Last-Event-ID": "x"})
    assert wrong.status_code == 422
    assert "Last-Event-ID" in wrong.json()["detail"]


async def test_repetitions_and_what_is_rejected_are_not_shown(site: Site, nc: Client, db: Connection) -> None:
    js = nc.jetstream()
    await site.send(job_event("J1", key="one", metrics={"n": 1}))

    async def folded() -> bool:
        row = await (await db.execute("select count(*) from jobs.message_id")).fetchone()
        return row == (1,)

    await wait_until(folded)
    repeated = json.dumps(job_event("J1", key="one", metrics={"n": 1})).encode()
    async with site.reading() as live, site.reading(after=0) as again:
        assert number(await anext(again)) == 1
        await js.publish("ev.fab1.job.J1.started", b"{")
        await Line(nc).forget_message_ids(JOBS, "ev.fab1.job.J1.started", b"{")
        await js.publish("ev.fab1.job.J1.started", repeated, headers={"Nats-Msg-Id": "fab1:job:J1:one"})
        await js.publish("ev.fab1.job.J1.started", repeated, headers={"Nats-Msg-Id": "another"})
        await js.publish("ev.fab1.job.J1.finished", repeated.replace(b"started", b"finished"))
        await site.send(job_event("J1", key="two", metrics={"n": 2}))
        assert number(await anext(live)) == 2
        assert number(await anext(again)) == 2
    # A process that knows nothing of the first one, and a reader that begins behind it.
    site.process.kill()
    await site.start()
    async with site.reading(after=1) as later:
        assert number(await anext(later)) == 2


async def test_where_the_asked_place_is_no_longer_kept(site: Site, nc: Client) -> None:
    await site.send(*(job_event("J1", metrics={"n": n}) for n in range(5)))
    await nc.jetstream().purge_stream("JOBS", seq=4)
    site.process.kill()
    await site.start()  # what the killed one had in memory is gone
    async with site.reading(after=1) as coming:
        resync = await anext(coming)
        assert (resync["event"], json.loads(resync["data"])) == ("resync", {"asked": 1, "next": 4})
        assert [number(await anext(coming)) for _ in range(2)] == [3, 4]
    async with site.reading(after=99) as coming:
        assert (await anext(coming))["event"] == "resync"


async def test_a_stop_ends_every_stream_at_once(site: Site) -> None:
    async with site.reading() as coming:
        ended = asyncio.get_running_loop().time()
        assert await asyncio.to_thread(site.process.stop) == 0
        assert [message async for message in coming] == []
        assert asyncio.get_running_loop().time() - ended < 5


@pytest.mark.parametrize(("kept", "readers"), [(10_000, 10), (200, 50)], ids=["in-memory", "from-the-line"])
async def test_many_readers_that_come_and_go(site: Site, nc: Client, kept: int, readers: int) -> None:
    """Readers with random disconnects: each sees each of five thousand events once, in order."""
    site.process.kill()
    site.settings = site.settings.model_copy(update={"live_events": kept})
    site.settings.model_fields_set.add("live_events")
    await site.start()
    reading = [asyncio.create_task(read_all(site, random.Random(seed))) for seed in range(readers)]
    for start in range(0, EVENTS, 100):
        numbers = range(start, start + 100)
        events = [job_event(f"J{n % JOBS_COUNT}", "metric", key=str(n), metrics={"n": n}) for n in numbers]
        await site.send(*events)
        if start % 1000 == 0:  # some repeat themselves
            await site.send(*events[::3])
    async with asyncio.timeout(120):
        seen = await asyncio.gather(*reading)
    stored = [int(json.loads(fact.body)["event"]["metrics"]["n"]) for fact in await Line(nc).stored("JOBS")]
    once = list(dict.fromkeys(stored))
    assert seen == [once] * readers
    assert sorted(once) == list(range(EVENTS))
    for job in range(JOBS_COUNT):
        of_job = [n for n in once if n % JOBS_COUNT == job]
        assert of_job == sorted(of_job)


async def read_all(site: Site, chance: random.Random) -> list[int]:
    """Every event from the first on, over connections that are closed after a random number of them."""
    seen: list[int] = []
    after = 0
    async with http_client(site.url, timeout=60) as http:
        while len(seen) < EVENTS:
            left = chance.randint(1, 1_500)
            async with site.reading(after, http) as coming:
                async for message in coming:
                    if "data" in message:
                        seen.append(number(message))
                        after = int(message["id"])
                        left -= 1
                    if not left or len(seen) == EVENTS:
                        break
    return seen
