"""Heartbeats in the background."""

from collections.abc import Callable
from typing import Any

import pytest
from client_http_server import HttpServer

from foldline_client import create_session
from foldline_client.heartbeat_schedule import HeartbeatSchedule
from foldline_client.items import SessionRef


def test_the_schedule() -> None:
    beats, one, other = HeartbeatSchedule(), SessionRef("1"), SessionRef("2")
    assert beats.delay(0) is None
    beats.start(one, 10, now=0)
    beats.start(other, 4, now=0)
    assert beats.take(0) == [one, other]
    assert (beats.take(3), beats.delay(3)) == ([], 1)
    assert beats.take(5) == [other]
    beats.pause(other, paused=True, now=6)
    assert (beats.take(10), beats.delay(10)) == ([one], 10)
    beats.pause(other, paused=False, now=12)
    assert beats.take(12) == [other]
    beats.stop(one)
    beats.stop(other)
    assert beats.delay(12) is None


def test_the_monitor_beats_until_told_not_to(http_server: HttpServer, until: Callable[..., Any]) -> None:
    def beats() -> int:
        return sum(path.endswith("/heartbeat") for path, _, _ in list(http_server.requests))

    session = create_session(http_server.url, "App", "1")
    with pytest.raises(ValueError, match="interval"):
        session.start_heartbeat_monitor(0)
    session.start_heartbeat_monitor(interval=0.02)
    until(lambda: beats() >= 3)
    session.pause_heartbeat_monitor()
    session.flush()
    paused = beats()
    session.heartbeat()  # one's own still counts
    session.flush()
    assert beats() == paused + 1
    session.resume_heartbeat_monitor()
    until(lambda: beats() >= paused + 4)
    session.end()
    assert http_server.requests[0][0] == "/api/sessions"
    assert http_server.requests[-1][0].endswith("/end")
