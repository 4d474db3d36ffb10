"""Positions: the newest of each partition, asked for by reads, again after a 503 until the deadline."""

import subprocess
import sys
import threading
import time
from typing import Any

import httpx
import pytest
from client_http_server import HttpServer

from foldline_client import Positions


def seen(response: httpx.Response) -> dict[str, str]:
    """The headers the server was asked with."""
    headers: dict[str, str] = response.json()["headers"]
    return {name.lower(): value for name, value in headers.items()}


def test_the_newest_of_each_partition_counts() -> None:
    positions = Positions()
    assert positions.headers(wait=2) == {}
    positions.note({"foldline-position": "SESSIONS/3:10,HEARTBEATS/3:5"})
    positions.note({"Foldline-Position": "SESSIONS/3:9, SESSIONS/12:1"})
    positions.note(httpx.Headers({"Foldline-Position": "HEARTBEATS/3:50"}))
    positions.note({"Content-Type": "text/plain"})
    positions.reached("SESSIONS/12", 2)
    assert str(positions) == "HEARTBEATS/3:50,SESSIONS/12:2,SESSIONS/3:10"
    assert positions.headers(wait=0.25) == {"Foldline-Min-Position": str(positions), "Foldline-Wait": "250"}
    assert positions.headers() == {"Foldline-Min-Position": str(positions)}


def test_positions_travel_as_text() -> None:
    here, there = Positions(), Positions()
    here.note("SESSIONS/3:10,JOBS/0:7")
    there.note("SESSIONS/3:11")
    there.note(str(here))
    assert str(there) == "JOBS/0:7,SESSIONS/3:11"


@pytest.mark.parametrize(
    "text", ["nonsense", "SESSIONS:1", "SESSIONS/x:1", "SESSIONS/1:-1", "SESSIONS/1:", "/1:1"]
)
def test_what_is_no_position_is_refused_as_a_whole(text: str) -> None:
    positions = Positions()
    with pytest.raises(ValueError, match="is not a position like SESSIONS/7:1234"):
        positions.note(f"SESSIONS/1:1,{text}")
    assert str(positions) == ""


@pytest.mark.parametrize("wait", [-1, 31, float("nan"), float("inf")])
def test_a_wait_nobody_can_grant_is_refused(wait: float) -> None:
    with pytest.raises(ValueError, match="seconds from 0 to 30"):
        Positions().headers(wait)


@pytest.mark.parametrize(("wait", "deadline"), [(99, 1), (1, -1), (1, float("nan"))])
def test_a_read_with_a_bad_bound_is_not_sent(wait: float, deadline: float) -> None:
    def get() -> httpx.Response:
        raise AssertionError("sent")

    with pytest.raises(ValueError, match="seconds from 0"):
        Positions().get(get, wait=wait, deadline=deadline)


def test_threads_lose_no_position() -> None:
    positions = Positions()

    def note(first: int) -> None:
        for sequence in range(first, 4000, 4):
            positions.note(f"SESSIONS/{sequence % 3}:{sequence}")

    threads = [threading.Thread(target=note, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert str(positions) == "SESSIONS/0:3999,SESSIONS/1:3997,SESSIONS/2:3998"


FORK = """
import os, signal, threading
from foldline_client import Positions

positions = Positions()
held, done = threading.Event(), threading.Event()

def hold():
    with positions._lock:
        held.set()
        done.wait()

thread = threading.Thread(target=hold)
thread.start()
held.wait()
child = os.fork()
if child == 0:
    signal.alarm(10)  # ends a child that is held up
    positions.note("SESSIONS/3:1")
    os._exit(0 if str(positions) == "SESSIONS/3:1" else 1)
status = os.waitpid(child, 0)[1]
done.set()
raise SystemExit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_is_not_held_up_by_a_thread_of_its_parent() -> None:
    assert subprocess.run([sys.executable, "-c", FORK], timeout=30, check=False).returncode == 0


def noted() -> Positions:
    positions = Positions()
    positions.note("SESSIONS/3:10")
    return positions


def test_a_read_is_tried_again_when_the_server_says(http_server: HttpServer) -> None:
    http_server.reads = [(503, {"Retry-After": "0.2"}), (503, {"Retry-After": "0"})]
    before = time.monotonic()
    with httpx.Client(base_url=http_server.url) as client:
        response = noted().get(client.get, "/api/sessions/S1", headers={"X-Mine": "1"}, wait=0.5)
    assert time.monotonic() - before >= 0.2
    assert (response.status_code, http_server.reads) == (200, [])
    asked = seen(response)
    assert asked["foldline-min-position"] == "SESSIONS/3:10"
    assert (asked["foldline-wait"], asked["x-mine"]) == ("500", "1")


async def test_the_same_without_blocking_the_loop(http_server: HttpServer) -> None:
    http_server.reads = [(503, {"Retry-After": "0.1"})]
    async with httpx.AsyncClient(base_url=http_server.url) as client:
        response = await noted().get_async(client.get, "/api/sessions/S1")
    assert (response.status_code, http_server.reads) == (200, [])
    assert seen(response)["foldline-min-position"] == "SESSIONS/3:10"


async def test_the_last_answer_within_the_deadline_is_returned(http_server: HttpServer) -> None:
    refusal: Any = (503, {"Retry-After": "0.2"})
    http_server.reads = [refusal] * 100
    response = noted().get(httpx.get, f"{http_server.url}/S1", deadline=0.5)
    assert response.status_code == 503
    assert 97 <= len(http_server.reads) < 100
    http_server.reads = [refusal] * 100
    async with httpx.AsyncClient() as client:
        response = await noted().get_async(client.get, f"{http_server.url}/S1", deadline=0)
    assert (response.status_code, len(http_server.reads)) == (503, 99)


@pytest.mark.parametrize("answer", [(503, {}), (429, {"Retry-After": "0"}), (500, {"Retry-After": "0"})])
def test_other_answers_are_not_tried_again(
    http_server: HttpServer, answer: tuple[int, dict[str, str]]
) -> None:
    http_server.reads = [answer]
    response = noted().get(httpx.get, f"{http_server.url}/S1")
    assert response.status_code == answer[0]


def test_the_server_is_not_asked_to_wait_beyond_the_deadline(http_server: HttpServer) -> None:
    response = noted().get(httpx.get, f"{http_server.url}/S1", wait=4, deadline=1)
    assert 0 <= int(seen(response)["foldline-wait"]) <= 1000
