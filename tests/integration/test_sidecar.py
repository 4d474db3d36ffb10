"""The sidecar as the process it is: line and sidecar go away and come back, and nothing is lost."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from tests.support.http import http_client
from tests.support.jobs import job_event
from tests.support.line import Line
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


class Host:
    """A host with a sidecar, and a line of its own."""

    def __init__(self, nats: NatsServer, settings: Settings, processes: Processes) -> None:
        self.nats = nats
        self.settings = settings
        self.processes = processes
        self.url = f"http://127.0.0.1:{settings.sidecar_port}"
        self.sidecar: ProcessUnderTest

    async def start(self) -> None:
        arguments = ("sidecar",)
        self.sidecar = self.processes.start(f"sidecar-{len(self.processes.all)}", arguments, self.settings)
        await wait_until(self.health)

    async def health(self) -> dict[str, Any] | None:
        async with http_client(self.url) as http:
            try:
                found: dict[str, Any] = (await http.get("/v1/healthz")).json()
            except httpx.TransportError:
                return None
            return found

    async def connected(self) -> None:
        async def there() -> bool:
            return (await self.health() or {}).get("line") == "connected"

        await wait_until(there)

    async def drained(self) -> None:
        async def empty() -> bool:
            return (await self.health() or {}).get("spool_count") == 0

        await wait_until(empty, 60)

    async def send(self, *events: dict[str, Any]) -> dict[str, Any]:
        async with http_client(self.url, timeout=30) as http:
            answer = await http.post("/v1/ingest/events:batch", json=list(events))
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def stored(self) -> list[dict[str, Any]]:
        """The events on the line, in its order."""
        nc = await connect_bus(self.settings, name="test")
        found = [json.loads(fact.body) for fact in await Line(nc).stored("JOBS")]
        await close_bus(nc)
        return found


@pytest.fixture
async def host(own_nats: NatsServer, tmp_path: Path, processes: Processes) -> Host:
    settings = line_settings(own_nats, spool_dir=tmp_path / "spool", sidecar_port=pick_port("127.0.0.1"))
    nc = await connect_bus(settings, name="test")
    await prepare_line(nc, settings)
    await close_bus(nc)
    return Host(own_nats, settings, processes)


def keys(events: list[dict[str, Any]], job: str) -> list[str]:
    return [event["idempotency_key"] for event in events if event["entity"]["id"] == job]


async def test_nothing_is_sent_to_a_server_that_does_not_sync(host: Host) -> None:
    host.nats.stop()
    host.nats.sync_always = False
    host.nats.start()
    await host.start()

    async def refused() -> bool:
        return "acknowledges before it syncs" in str((await host.health() or {}).get("line_problem"))

    await wait_until(refused)
    assert await host.send(job_event("J1", key="a")) == {"ok": True, "forwarded": 0, "spooled": 1}
    assert await host.stored() == []
    host.nats.stop()
    host.nats.sync_always = True
    host.nats.start()
    await host.connected()
    await host.drained()
    assert keys(await host.stored(), "J1") == ["a"]
    assert (await host.health() or {})["line_problem"] is None


async def test_forwards_what_it_takes(host: Host) -> None:
    await host.start()
    await host.connected()
    assert await host.send(job_event("J1", key="a"), job_event("J2", key="b")) == {
        "ok": True,
        "forwarded": 2,
        "spooled": 0,
    }
    async with http_client(host.url) as http:
        assert (await http.post("/v1/ingest/events", json=job_event("J1", key="c"))).json() == {"ok": True}
        wrong = await http.post("/v1/ingest/events", json=job_event("J1", "exploded"))
        assert wrong.status_code == 422
        assert "event.kind" in wrong.json()["detail"]
        assert 'foldline_sidecar_events_total{way="forwarded"} 3.0' in (await http.get("/metrics")).text
    told = await host.send(job_event("J1", key="d"), {"not": "one"})
    assert (told["ok"], told["forwarded"], told["failed"], told["errors"][0]["index"]) == (False, 1, 1, 1)
    assert keys(await host.stored(), "J1") == ["a", "c", "d"]
    health = await host.health()
    assert health
    told = {
        "status": "ok",
        "service": "sidecar-agent",
        "spool_count": 0,
        "spool_dir": str(host.settings.spool),
    }
    assert health | told == health
    assert host.sidecar.stop() == 0


async def test_spools_while_the_line_is_away_and_keeps_the_order(host: Host) -> None:
    await host.start()
    await host.connected()
    await host.send(*(job_event(f"J{n % 2}", "progress", key=f"{n}") for n in range(4)))
    host.nats.kill()
    sent = 4
    for round_ in range(3):
        told = await host.send(
            *(job_event(f"J{n % 2}", "progress", key=f"{n}") for n in range(sent, sent + 10))
        )
        assert told == {"ok": True, "forwarded": 0, "spooled": 10}
        sent += 10
        if round_ < 2:
            host.sidecar.kill()
            await host.start()
    health = await host.health()
    assert health
    assert (health["status"], health["spool_count"], health["line"]) == ("degraded", 30, "away")
    async with http_client(host.url) as http:
        ready = await http.get("/ready?for=writes")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"spool": "ok"})
    assert ready.json()["notes"]["line"].endswith(": events are spooled meanwhile")
    assert health["spool_oldest_s"] > 0
    await asyncio.to_thread(host.nats.start)
    await host.drained()
    assert (await host.send(job_event("J0", key="last")))["forwarded"] == 1
    stored = await host.stored()
    assert len(stored) == sent + 1
    assert keys(stored, "J0") == [str(n) for n in range(0, sent, 2)] + ["last"]
    assert keys(stored, "J1") == [str(n) for n in range(1, sent, 2)]


async def test_a_full_spool_refuses_and_keeps_what_it_has(host: Host) -> None:
    host.settings = host.settings.model_copy(update={"spool_max_events": 5})
    host.settings.model_fields_set.add("spool_max_events")
    host.nats.kill()
    await host.start()
    await host.send(*(job_event("J1", key=f"{n}") for n in range(5)))
    async with http_client(host.url, timeout=30) as http:
        answer = await http.post("/v1/ingest/events", json=job_event("J1"))
        ready = await http.get("/ready")
        assert (await http.get("/ready?for=reads")).status_code == 422  # nothing is read here
    assert answer.status_code == 503
    assert "the spool is full" in answer.json()["detail"]
    assert (ready.status_code, ready.json()["writes"]) == (503, False)
    assert ready.json()["checks"]["spool"].startswith("the spool is full: 5 events of ")
    assert int(answer.headers["Retry-After"]) > 0
    await asyncio.to_thread(host.nats.start)
    await host.drained()
    assert keys(await host.stored(), "J1") == [str(n) for n in range(5)]
