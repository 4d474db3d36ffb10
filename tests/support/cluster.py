"""Three NATS servers on loopback that keep every stream three times."""

from pathlib import Path
from typing import Any

from nats.aio.client import Client

from foldline.embedded.nats import Membership, NatsServer
from foldline.embedded.ports import pick_port
from line.jetstream import request_api
from schemas.registry import DECLARED
from tests.support.waiting import wait_until_sync

NAME = "test"
SIZE = 3


class Cluster:
    """A cluster whose members start together: none of them is ready alone."""

    def __init__(self, folder: Path) -> None:
        self._taken: set[int] = set()
        ports = tuple(pick_port("127.0.0.1", self._taken) for _ in range(SIZE))
        self.servers = [self._member(folder / f"n{n}", port, ports) for n, port in enumerate(ports, 1)]

    def _member(self, directory: Path, route: int, routes: tuple[int, ...]) -> NatsServer:
        return NatsServer(
            directory,
            pick_port("127.0.0.1", self._taken),
            pick_port("127.0.0.1", self._taken),
            server_name=directory.name,
            membership=Membership(NAME, route, routes),
        )

    def start(self) -> None:
        for server in self.servers:
            server.spawn()
        for server in self.servers:
            wait_until_sync(server.is_ready, 60, what=f"{server.server_name} is ready")

    def stop(self) -> None:
        """Kill all members: what they hold is of no use any more, and a good end waits for the others."""
        for server in self.servers:
            server.kill()

    def changes(self) -> dict[str, Any]:
        """Return the settings that differ from those of a single server."""
        return {
            "nats_url": ",".join(server.url for server in self.servers),
            "nats_monitor_url": ",".join(server.monitor_url for server in self.servers),
            "stream_replicas": SIZE,
        }

    async def leader(self, nc: Client, stream: str) -> NatsServer | None:
        """Return the server that leads a stream, None during an election."""
        answer = await request_api(nc, f"STREAM.INFO.{stream}", timeout=1)
        name = answer.get("cluster", {}).get("leader")
        return next((server for server in self.servers if server.server_name == name), None)


async def copies_current(nc: Client) -> bool:
    """Return whether every stream has all its copies, each as far as its leader."""
    for stream in DECLARED.streams:
        cluster = (await request_api(nc, f"STREAM.INFO.{stream.name}", timeout=1)).get("cluster", {})
        followers = cluster.get("replicas", [])
        if not cluster.get("leader") or len(followers) != SIZE - 1:
            return False
        if not all(one["current"] and not one.get("offline") for one in followers):
            return False
    return True
