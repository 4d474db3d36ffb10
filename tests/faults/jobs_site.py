"""A site for jobs as processes, with a link between its sidecar and the line that can be cut."""

import asyncio
from typing import Any, Literal

import httpx

from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from schemas.jobs.streams import JOBS
from tests.support.http import http_client
from tests.support.line import Line
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.proxy import Session, Streams, Verdict
from tests.support.waiting import wait_until

_EVERY = 10  # groups that are published between two whose answer is lost
_MANY = 3  # events in the last group
_SIDECAR = ("sidecar",)


class Link:
    """A link between sidecar and line: now and then an answer is lost, then all are, then none."""

    def __init__(self, nats: NatsServer) -> None:
        self._state: Literal["shaky", "cutting", "cut", "whole"] = "shaky"
        self._address = nats.url.removeprefix("nats://").split(":")
        self._groups = 0

    async def connect(self) -> Streams:
        """Open a connection to the line. Raises ConnectionRefusedError."""
        if self._state == "cut":
            raise ConnectionRefusedError
        host, port = self._address
        return await asyncio.open_connection(host, int(port))

    def judge(self, session: Session, data: bytes) -> Verdict:
        """Let what is published pass; it is stored, but not acknowledged, when its answer is cut off."""
        if b"HPUB ev." not in data or self._state == "whole":
            return "pass"
        self._groups += 1
        if self._state == "shaky" and self._groups % _EVERY:
            return "pass"
        if self._state == "cutting":
            if data.count(b"HPUB ev.") < _MANY:
                return "pass"
            self._state = "cut"
        return "cut before the answer"

    def cut(self) -> None:
        """Cut the link with the next group of several events that is published."""
        self._state = "cutting"

    def mend(self) -> None:
        """Let everything pass again."""
        self._state = "whole"


class JobsSite:
    """NATS, a consumer, an API and a sidecar. `port` is where the sidecar finds the line."""

    def __init__(self, nats: NatsServer, settings: Settings, processes: Processes, port: int) -> None:
        ports = {name: pick_port("127.0.0.1") for name in ("api_port", "jobs_port", "sidecar_port")}
        self.settings = settings.model_copy(update=ports)
        self.settings.model_fields_set.update(ports)
        outside = {"nats_url": f"nats://127.0.0.1:{port}", "spool_dir": processes.folder / "spool"}
        self._outside = self.settings.model_copy(update=outside)
        self._outside.model_fields_set.update(outside)
        self._processes = processes
        self.nats = nats
        self.jobs_url = f"http://127.0.0.1:{self.settings.jobs_port}"
        self.sidecar_url = f"http://127.0.0.1:{self.settings.sidecar_port}"
        self._sidecar: ProcessUnderTest

    async def start(self) -> None:
        """Start everything and wait until it is ready."""
        nc = await connect_bus(self.settings, name="test")
        await prepare_line(nc, self.settings)
        await close_bus(nc)
        self._processes.consumer(self.settings)
        self._processes.api(self.settings)
        self.start_sidecar()
        async with http_client() as http:
            await wait_until(lambda: _well(http, self.jobs_url), 60, what="the API is ready")
        await wait_until(self.drained, 60, what="the sidecar is ready")

    def start_sidecar(self) -> None:
        self._sidecar = self._processes.start(f"sidecar-{len(self._processes.all)}", _SIDECAR, self._outside)

    async def crash_sidecar(self) -> None:
        """Kill the sidecar and start another one at once."""
        await asyncio.to_thread(self._sidecar.kill)
        self.start_sidecar()

    async def spooled(self) -> int | None:
        """Return how many events wait in the sidecar, None while it does not answer."""
        health = await self._health()
        return None if health is None else int(health["spool_count"])

    async def drained(self) -> bool:
        """Return whether the sidecar has the line, and nothing waits."""
        health = await self._health()
        return health is not None and (health["line"], health["spool_count"]) == ("connected", 0)

    async def forget_message_ids(self) -> None:
        """Make the line forget message ids, as it does in two minutes."""
        nc = await connect_bus(self.settings, name="test")
        await Line(nc).forget_message_ids(JOBS, "ev.fab1.job.probe.started", b"{")
        await close_bus(nc)

    async def _health(self) -> dict[str, Any] | None:
        async with http_client(timeout=5) as http:
            try:
                found: dict[str, Any] = (await http.get(f"{self.sidecar_url}/v1/healthz")).json()
            except httpx.TransportError:
                return None
            return found


async def _well(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/v1/healthz")).status_code == 200
    except httpx.TransportError:
        return False
