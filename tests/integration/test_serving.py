"""Serving in a process of its own: several applications on a port, servers of other kinds, and the end."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from foldline.embedded.ports import pick_port
from runtime.http.envelopes import SESSIONS
from runtime.http.listeners import Listener, ServerListener
from runtime.http.serving import serve
from runtime.problems import Problem
from tests.support.http import http_client
from tests.support.processes import ROOT
from tests.support.waiting import wait_until, wait_until_sync


class Toy:
    """The toy process, see tests/support/toy_process.py."""

    def __init__(self, log: Path, drain_s: float) -> None:
        taken: set[int] = set()
        self.port, self.line_port = pick_port("127.0.0.1", taken), pick_port("127.0.0.1", taken)
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        arguments = [str(self.port), str(self.line_port), str(drain_s)]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.toy_process", *arguments],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def lines(self) -> list[str]:
        return self._log.read_text().splitlines()

    def wait_for(self, line: str) -> None:
        wait_until_sync(lambda: line in self.lines(), what=f"{line}: {self.lines()}")

    def answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture
def toy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Toy]:
    """The running process; the drain of its line server takes as long as the test's parameter says."""
    started = Toy(tmp_path / "toy.log", getattr(request, "param", 0))
    try:
        wait_until_sync(started.answers, what="it answers")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


async def test_applications_share_a_port_by_prefix(toy: Toy) -> None:
    async with http_client(toy.url) as client:
        assert [(await client.get(path)).json() for path in ("/who", "/api/who")] == ["front", "agents"]
        missing = [await client.get(path) for path in ("/nothing", "/api/nothing")]
    assert [set(answer.json()) for answer in missing] == [{"detail"}, {"detail", "error_code", "timestamp"}]
    for path, name in (("/live", "front"), ("/api/live", "agents")):
        async with connect(f"ws://127.0.0.1:{toy.port}{path}", proxy=None) as live:
            assert await live.recv() == name
    for path, keys in (("/x", b'{"detail":"There is nothing at /x"}'), ("/api/x", b'"NOT_FOUND"')):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{toy.port}{path}", proxy=None)
        assert refused.value.response.status_code == 404
        assert keys in (refused.value.response.body or b"")


async def test_everything_begins_and_ends_in_order_and_requests_finish(toy: Toy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.line_port)
    writer.write(b"a line\n")
    assert await reader.readline() == b"a line\n"
    async with http_client(toy.url, timeout=20) as client:
        slow = asyncio.create_task(client.get("/api/slow"))
        await wait_until(lambda: "agents works" in toy.lines())
        toy.process.send_signal(signal.SIGTERM)
        assert (await slow).json() == "finished"
    writer.close()
    assert await asyncio.to_thread(toy.process.wait, 20) == 0
    assert toy.lines() == [
        "process begins",
        "front begins",
        "agents begins",
        "lines begin",
        "agents works",
        "lines drain",
        "lines end",
        "agents ends",
        "front ends",
        "process ends",
        "done",
    ]


@pytest.mark.parametrize("toy", [60], indirect=True)
async def test_a_server_that_does_not_end_is_cut_off(toy: Toy) -> None:
    toy.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(toy.wait_for, "lines drain")
    assert await asyncio.to_thread(toy.process.wait, 20) == 0
    assert "lines end" not in toy.lines()
    assert toy.lines()[-1] == "done"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\0\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken header\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"NONSENSE / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_in_the_envelope(toy: Toy, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(request_bytes)
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/json" in head.lower()
    assert body == b'{"detail":"The request is not valid HTTP/1.1"}'


@pytest.mark.parametrize(
    "headers",
    [b"", b"Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"],
    ids=["no key", "old version"],
)
async def test_a_handshake_that_cannot_succeed_is_an_ordinary_request(toy: Toy, headers: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    upgrade = b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    writer.write(b"GET /live HTTP/1.1\r\nHost: x\r\n" + upgrade + headers + b"\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 404 ")
    expected = b'{"detail":"There is nothing at /live"}'
    assert await reader.readexactly(len(expected)) == expected
    writer.close()


def test_a_port_that_is_taken_is_a_problem_before_anything_is_connected() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        async def app(*_: object) -> None: ...

        def server(*_: object) -> None: ...

        for listener in (
            Listener(port, "FOLDLINE_TOY_PORT", app, SESSIONS),
            ServerListener(port, "FOLDLINE_TOY_PORT", server),  # type: ignore[arg-type]
        ):
            with pytest.raises(Problem, match=f"cannot listen on 127.0.0.1 port {port}") as told:
                serve("127.0.0.1", [listener])
            assert told.value.setting == "FOLDLINE_HOST, FOLDLINE_TOY_PORT"


async def test_a_client_of_the_port_sees_no_server_name(toy: Toy) -> None:
    async with http_client(toy.url) as client:
        answer: httpx.Response = await client.get("/who")
    assert "server" not in answer.headers
