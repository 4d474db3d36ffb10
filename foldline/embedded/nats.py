"""The embedded nats-server, with JetStream in one directory."""

import http.client
import json
import signal
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from foldline.embedded.binaries import find_nats_server
from foldline.embedded.ports import pick_port, reachable_host
from foldline.embedded.process import Process
from foldline.embedded.service import Service
from line.progress import subject as progress
from schemas.streams import MAX_PAYLOAD
from schemas.subjects import PREFIX


@dataclass(frozen=True, slots=True)
class Membership:
    """A server's place in a cluster: its route port, and the route ports of all members on the same host."""

    cluster: str
    port: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Federation:
    """A server's place among sites: its JetStream domain, and the port where the hub takes leaves."""

    domain: str
    hub_port: int
    is_hub: bool = False


class NatsServer(Service):
    """A real nats-server whose acknowledgements mean synced to disk, unless `sync_always` is switched off.

    Port 0 picks a free port, once: a restart is on the same one. `binary` is a path or a name on the PATH.
    A member of a cluster needs a `server_name` of its own, and is ready only once a majority of it runs.
    """

    name = "nats"

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        monitor_port: int = 0,
        *,
        host: str = "127.0.0.1",
        sync_always: bool = True,
        server_name: str = "foldline",
        membership: Membership | None = None,
        federation: Federation | None = None,
        user: str | None = None,
        password: str | None = None,
        binary: str | None = None,
        log: Path | None = None,
        pid_file: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        super().__init__(log or self.directory.with_name(f"{self.directory.name}.log"))
        taken = {port, monitor_port}
        self.port = port or pick_port(host, taken)
        self.monitor_port = monitor_port or pick_port(host, taken)
        self.host = host
        self.sync_always = sync_always
        self.server_name = server_name
        self.membership = membership
        self.federation = federation
        self.user, self.password = user, password
        self.binary = binary
        self.pid_file = pid_file

    @property
    def url(self) -> str:
        return f"nats://{reachable_host(self.host)}:{self.port}"

    @property
    def monitor_url(self) -> str:
        return f"http://{reachable_host(self.host)}:{self.monitor_port}"

    @property
    def config_file(self) -> Path:
        return self.directory / "nats-server.conf"

    def spawn(self) -> None:
        binary = find_nats_server(self.binary)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        self.config_file.touch(mode=0o600)
        self.config_file.write_text(self.config())
        self.process = Process(
            self.name,
            [str(binary), "-c", str(self.config_file)],
            log=self.log,
            pid_file=self.pid_file,
            orphan_signal=signal.SIGTERM,
        )
        self.process.spawn()

    def config(self) -> str:
        """The generated configuration. JSON strings are valid in it, so nothing in a path can break out."""
        lines = [
            "# Written by foldline at every start.",
            f"server_name: {json.dumps(self.server_name)}",
            f"host: {json.dumps(self.host)}",
            f"port: {self.port}",
            f"http: {json.dumps(f'{_bracketed(self.host)}:{self.monitor_port}')}",
            f"max_payload: {MAX_PAYLOAD}",
            "jetstream {",
            f"  store_dir: {json.dumps(str(self.directory))}",
            *(["  sync_interval: always"] if self.sync_always else []),
            *([f"  domain: {json.dumps(self.federation.domain)}"] if self.federation else []),
            "}",
        ]
        if self.membership is not None:
            lines += self._cluster(self.membership)
        if self.federation is not None:
            lines += self._leafnodes(self.federation)
        if self.user is not None:
            user, password = json.dumps(self.user), json.dumps(self.password or "")
            lines.append(f"authorization {{ user: {user}, password: {password} }}")
        return "\n".join(lines) + "\n"

    def _cluster(self, place: Membership) -> list[str]:
        host = reachable_host(self.host)
        routes = [json.dumps(f"nats-route://{host}:{port}") for port in place.members]
        return [
            "cluster {",
            f"  name: {json.dumps(place.cluster)}",
            f"  listen: {json.dumps(f'{_bracketed(self.host)}:{place.port}')}",
            f"  routes: [{', '.join(routes)}]",
            # Clients are given every address; none is to learn one that is reachable only in here.
            "  no_advertise: true",
            "}",
        ]

    def _leafnodes(self, place: Federation) -> list[str]:
        address = f"{_bracketed(reachable_host(self.host))}:{place.hub_port}"
        if place.is_hub:
            return [f"leafnodes {{ listen: {json.dumps(address)}, no_advertise: true }}"]
        # Without the denials facts would cross the link as plain messages, and every site would store those
        # of all others; and would take the others' announcements of progress for its own. The centre copies
        # streams, which needs none of that.
        subjects = json.dumps([f"{PREFIX}.>", progress("*")])
        denied = f"deny_exports: {subjects}, deny_imports: {subjects}"
        url = json.dumps(f"nats-leaf://{address}")
        return [f'leafnodes {{ reconnect: "1s", remotes: [ {{ url: {url}, {denied} }} ] }}']

    def is_ready(self) -> bool:
        try:
            # JetStream has recovered its streams when this says so, and a member has caught up with the
            # leaders of its copies; the client port is open by then.
            with urllib.request.urlopen(f"{self.monitor_url}/healthz", timeout=1) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (OSError, http.client.HTTPException):  # refused, silent, or a stranger that speaks no HTTP
            return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
