"""Two sites and a centre as processes, each with its own NATS and database."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from foldline.embedded.nats import Federation, NatsServer
from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from tests.support.http import http_client
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.settings import line_settings
from tests.support.waiting import wait_until


class Place:
    """A site, or the centre: its NATS, its processes, and a client of its jobs API."""

    def __init__(self, nats: NatsServer, settings: Settings, port: int) -> None:
        self.nats = nats
        self.settings = settings
        self.http = http_client(f"http://127.0.0.1:{port}", timeout=60)
        self.processes: list[ProcessUnderTest] = []

    async def ready(self) -> None:
        """Wait until its API says that everything it needs is there."""

        async def well() -> bool:
            try:
                return (await self.http.get("/v1/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        await wait_until(well, 60)

    async def send(self, *events: dict[str, Any]) -> None:
        answer = await self.http.post("/v1/ingest/events:batch", json=list(events))
        assert answer.status_code == 200, answer.text
        assert answer.json()["ok"], answer.text

    async def items(self, path: str = "/v1/jobs", **query: Any) -> list[dict[str, Any]]:
        answer = await self.http.get(path, params={"limit": 10_000, **query})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found


class TwoSites:
    """The sites `fab1` and `fab2` with their centre."""

    def __init__(self, folder: Path, new_database: Callable[..., str], processes: Processes) -> None:
        self._processes = processes
        hub_port = pick_port("127.0.0.1")
        self.sites: dict[str, Place] = {}
        for site in ("fab1", "fab2"):
            nats = NatsServer(folder / site / "nats", server_name=site, federation=Federation(site, hub_port))
            port = pick_port("127.0.0.1")
            settings = line_settings(
                nats,
                new_database(),
                site=site,
                own_site_only=True,
                api_port=pick_port("127.0.0.1"),
                jobs_port=port,
            )
            self.sites[site] = Place(nats, settings, port)
        hub = NatsServer(
            folder / "hub" / "nats", server_name="hub", federation=Federation("hub", hub_port, is_hub=True)
        )
        port = pick_port("127.0.0.1")
        addresses = ",".join(f"{site}={place.http.base_url}" for site, place in self.sites.items())
        settings = line_settings(
            hub, new_database(bare=True), site="centre", sites=addresses, central_port=port
        )
        self.centre = Place(hub, settings, port)

    async def start(self) -> None:
        """Start every server and process, and wait until they are ready."""
        places = [self.centre, *self.sites.values()]
        await asyncio.gather(*(asyncio.to_thread(place.nats.start) for place in places))
        for place in self.sites.values():
            place.processes = [self._processes.consumer(place.settings), self._processes.api(place.settings)]
        await asyncio.gather(*(place.ready() for place in self.sites.values()))
        central = ("central",)
        self.centre.processes = [
            self._processes.consumer(self.centre.settings, "centre-consumer"),
            self._processes.start("central", central, self.centre.settings),
        ]
        await self.centre.ready()

    async def converged(self, timeout: float = 90) -> None:
        """Wait until the centre shows what the sites show."""

        async def same() -> bool:
            for site, place in self.sites.items():
                theirs = {job["job_id"]: _lasting(job) for job in await place.items()}
                ours = {job["job_id"]: _lasting(job) for job in await self.centre.items(site=site)}
                if theirs != ours:
                    return False
            return True

        await wait_until(same, timeout, what="the centre shows what the sites show")

    async def stop(self) -> None:
        for place in (self.centre, *self.sites.values()):
            await place.http.aclose()
            place.nats.stop()


def _lasting(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "stalled"}
