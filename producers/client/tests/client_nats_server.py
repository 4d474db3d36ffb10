"""A real nats-server that can be killed and started again."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import nats
from client_waiting import run, wait_until
from nats.js.api import StreamConfig, SubjectTransform

FACTS = ("created", "state", "event", "metric", "crashed", "ended", "expired")


class NatsServer:
    """A nats-server of its own, on a port that stays the same when it is killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self._folder = folder
        self._config = folder / "nats.conf"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\n'
            f'jetstream {{ store_dir: "{folder}/js", sync_interval: always }}\n'
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        beside = Path(sys.executable).parent / "nats-server"
        binary = str(beside) if beside.exists() else shutil.which("nats-server")
        assert binary, "nats-server is not installed"
        self._process = subprocess.Popen([binary, "-c", str(self._config), "-l", str(self._folder / "log")])
        wait_until(self._answers)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def messages(self, stream: str = "SESSIONS") -> list[tuple[str, dict[str, Any], dict[str, str]]]:
        """Everything in the stream, in order: subject as stored, body, headers."""
        return run(self._messages(stream))

    def configure(self, **sessions: Any) -> None:
        """Make the two streams; `sessions` overrides fields of SESSIONS."""
        run(self._configure(sessions))

    def _answers(self) -> bool:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=1) as link,
        ):
            return link.recv(4).startswith(b"INFO")
        return False

    async def _configure(self, sessions: dict[str, Any]) -> None:
        transform = SubjectTransform(
            src="ev.*.session.*.*",
            dest="ev.{{partition(16,2)}}.{{wildcard(1)}}.session.{{wildcard(2)}}.{{wildcard(3)}}",
        )
        client = await nats.connect(self.url)
        streams = client.jetstream()
        await streams.add_stream(
            StreamConfig(
                **{
                    "name": "SESSIONS",
                    "subjects": [f"ev.*.session.*.{fact}" for fact in FACTS],
                    "allow_atomic": True,
                    "allow_direct": True,
                    "subject_transform": transform,
                    **sessions,
                }
            )
        )
        await streams.add_stream(
            StreamConfig(
                name="HEARTBEATS",
                subjects=["ev.*.session.*.heartbeat"],
                max_msgs_per_subject=1,
                subject_transform=transform,
            )
        )
        await client.close()

    async def _messages(self, stream: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
        client = await nats.connect(self.url)
        streams = client.jetstream()
        count = (await streams.stream_info(stream)).state.messages
        reader = await streams.pull_subscribe("", stream=stream, config=None)
        found = []
        while len(found) < count:
            for message in await reader.fetch(min(500, count - len(found)), timeout=5):
                await message.ack()
                found.append((message.subject, json.loads(message.data), message.headers or {}))
        await client.close()
        return found
