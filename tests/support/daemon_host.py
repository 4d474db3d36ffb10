"""A host with a session daemon, a line of its own, and processes to watch."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.settings import Settings
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from tests.reference.published import Published
from tests.support.http import http_client
from tests.support.line import Line
from tests.support.processes import Processes, ProcessUnderTest
from tests.support.settings import line_settings
from tests.support.waiting import wait_until

Said = tuple[str, dict[str, Any]]
"""A fact and its body."""


class DaemonHost:
    """A client of the daemon that checks every answer."""

    def __init__(self, nats: NatsServer, settings: Settings, processes: Processes) -> None:
        self.nats = nats
        self.settings = settings
        self.daemon: ProcessUnderTest
        self._processes = processes
        self._applications: list[subprocess.Popen[bytes]] = []
        self._http = http_client(f"http://127.0.0.1:{settings.daemon_port}", timeout=30)

    async def start(self) -> None:
        name = f"sidecar-{len(self._processes.all)}"
        self.daemon = self._processes.start(name, ("sidecar",), self.settings)
        await wait_until(self.answers)

    async def answers(self) -> bool:
        try:
            return (await self._http.get("/health")).is_success
        except httpx.TransportError:
            return False

    async def sidecar(self) -> dict[str, Any]:
        """Return the health of the sidecar, which knows of line and spool."""
        async with http_client() as http:
            answer = await http.get(f"http://127.0.0.1:{self.settings.sidecar_port}/v1/healthz")
        health: dict[str, Any] = answer.json()
        return health

    async def connected(self) -> None:
        async def there() -> bool:
            return (await self.sidecar())["line"] == "connected"

        await wait_until(there)

    async def drained(self) -> None:
        async def empty() -> bool:
            return (await self.sidecar())["spool_count"] == 0

        await wait_until(empty, 60)

    def application(self) -> subprocess.Popen[bytes]:
        """Start a process that lives until it is killed; it is reaped at the end of the test only."""
        self._applications.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE))
        return self._applications[-1]

    async def register(self, pid: int | None = None, **more: Any) -> str:
        body = {"parent_pid": pid or self.application().pid, "product": "P", "version": "1", **more}
        session_id: str = (await self.ask("register", **body))["session_id"]
        return session_id

    async def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.post(path, body)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self._http.post(f"/{path}", json=body)

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self._http.get(f"/{path}", params=query)

    async def stored(self, stream: str = "SESSIONS") -> list[Published]:
        """Return what the line holds, in its order."""
        nc = await connect_bus(self.settings, name="test")
        facts = await Line(nc).stored(stream)
        await close_bus(nc)
        return facts

    async def said(self, session_id: str) -> list[Said]:
        """Return the facts of a session in their order, without heartbeats."""
        return [
            (fact.fact, json.loads(fact.body))
            for fact in await self.stored()
            if fact.session_id == session_id
        ]

    async def events(self, session_id: str) -> list[dict[str, Any]]:
        return [body for fact, body in await self.said(session_id) if fact == "event"]

    async def until_event(self, session_id: str, name: str) -> dict[str, Any]:
        async def found() -> dict[str, Any] | None:
            return next((event for event in await self.events(session_id) if event["name"] == name), None)

        event: dict[str, Any] = await wait_until(found, what=name)
        return event

    async def until_said(self, session_id: str, fact: str) -> None:
        async def found() -> bool:
            return fact in [kind for kind, _ in await self.said(session_id)]

        await wait_until(found, what=fact)

    async def close(self) -> None:
        await self._http.aclose()
        for application in self._applications:
            application.kill()
            application.communicate()


@pytest.fixture
async def daemon_host(
    own_nats: NatsServer, tmp_path: Path, processes: Processes
) -> AsyncIterator[DaemonHost]:
    """A host whose daemon checks its processes often; the line has its streams, the daemon is not started."""
    settings = line_settings(
        own_nats,
        spool_dir=tmp_path / "spool",
        sidecar_port=pick_port("127.0.0.1"),
        daemon_port=pick_port("127.0.0.1"),
        daemon_check_interval=0.1,
        daemon_flush_interval=0.1,
        daemon_heartbeat_interval=0.2,
        heartbeat_timeout=1.0,
    )
    nc = await connect_bus(settings, name="test")
    await prepare_line(nc, settings)
    await close_bus(nc)
    made = DaemonHost(own_nats, settings, processes)
    yield made
    await made.close()
