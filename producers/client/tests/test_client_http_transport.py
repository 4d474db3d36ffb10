"""Over HTTP, against a small real server."""

import logging
import time
from typing import Any

import pytest
from client_http_server import HttpServer

from foldline_client import Client, DetailsUnavailable, create_session

FAST: dict[str, Any] = {"retry_first": 0.02, "retry_max": 0.2}


def test_a_whole_session(http_server: HttpServer) -> None:
    with create_session(
        http_server.url, "App", "1", hostname="", headers={"Authorization": "Bearer t"}
    ) as session:
        session.update_state({"a": {"b": None}})
        session.log_event("e")
        session.log_metric("m", 1.5)
        session.heartbeat()
    base = f"/api/sessions/{session.session_id}"
    ordered = [path for path, _, _ in http_server.requests if not path.endswith("/heartbeat")]
    assert ordered == ["/api/sessions", f"{base}/state", f"{base}/events", f"{base}/metrics", f"{base}/end"]
    bodies = {path.rpartition("/")[2]: (body, headers) for path, body, headers in http_server.requests}
    assert bodies["sessions"][0] == {"product": "App", "version": "1", "session_id": session.session_id}
    assert bodies["state"][0] == {"a": {"b": None}}
    assert bodies["heartbeat"][0] == {}
    assert "foldline-time" in bodies["state"][1]
    assert "timestamp" in bodies["events"][0]
    assert "timestamp" in bodies["metrics"][0]
    assert bodies["events"][1]["foldline-wait"] == "0"
    assert "foldline-wait" not in bodies["end"][1]
    assert all(headers["authorization"] == "Bearer t" for _, headers in bodies.values())
    assert len({headers["idempotency-key"] for _, headers in bodies.values()}) == 6


def test_the_server_is_away_at_first(bare_http: HttpServer) -> None:
    session = create_session(bare_http.url, "App", "1", **FAST)
    for number in range(20):
        session.log_event("e", data={"n": number})
    assert not session.flush(0.1)
    bare_http.start()
    assert session.end()
    assert [body["data"]["n"] for _, body, _ in bare_http.requests if body.get("name") == "e"] == list(
        range(20)
    )


def test_busy_answers_are_tried_again_under_the_same_key(http_server: HttpServer) -> None:
    http_server.answers = [(503, {"Retry-After": "0.3"}), (429, {}), (500, {}), (201, {})]
    started = time.monotonic()
    with create_session(http_server.url, "App", "1", **FAST) as session:
        pass
    assert time.monotonic() - started >= 0.3
    assert [path.rpartition("/")[2] for path, _, _ in http_server.requests] == ["sessions", "end"]
    assert session.get_stats()["retries"] >= 3
    assert session.get_stats()["rejected"] == 0


def test_refusals_are_counted_told_and_not_tried_again(
    http_server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    http_server.answers = [(201, {}), (400, {}), (404, {})]
    with (
        caplog.at_level(logging.WARNING, "foldline_client"),
        create_session(http_server.url, "App", "1") as session,
    ):
        session.log_event("one")
        session.log_event("two")
        session.log_event("three")
    assert session.get_stats()["rejected"] == 2
    assert [body["name"] for _, body, _ in http_server.requests if "name" in body] == ["three"]
    assert sum("HTTP 400" in record.message for record in caplog.records) == 1


def test_a_fact_the_server_breaks_on_does_not_hold_the_rest(http_server: HttpServer) -> None:
    http_server.answers = [(201, {}), *[(500, {})] * 10]
    with create_session(http_server.url, "App", "1", retry_first=0.001, retry_max=0.01) as session:
        session.log_event("poison")
        session.log_event("fine")
    assert session.get_stats()["rejected"] == 1
    assert [body["name"] for _, body, _ in http_server.requests if "name" in body] == ["fine"]


def test_details_show_what_was_written(http_server: HttpServer) -> None:
    with create_session(http_server.url, "App", "1") as session:
        session.log_event("e")
        details = session.get_details()
        assert details["id"] == session.session_id
        assert details["headers"]["Foldline-Min-Position"] == "SESSIONS/3:2"
    with create_session(http_server.url, "App", "1", session_id="missing") as other:
        with pytest.raises(DetailsUnavailable, match="HTTP 404"):
            other.get_details()
        other.flush()
        http_server.stop()
        with pytest.raises(DetailsUnavailable, match="does not answer"):
            other.get_details()
        http_server.start()


def test_sessions_share_a_client(http_server: HttpServer) -> None:
    with Client(http_server.url) as client:
        sessions = [client.create_session("App", "1") for _ in range(10)]
        for number in range(10):
            for session in sessions:
                session.log_event("e", data={"n": number})
        assert client.flush()
        assert all(session.end() for session in sessions)
    for session in sessions:
        sent = [
            body["data"]["n"]
            for path, body, _ in http_server.requests
            if path == f"/api/sessions/{session.session_id}/events"
        ]
        assert sent == list(range(10))
    late = client.create_session("App", "1")
    late.log_event("nobody sends this")
    assert client.get_stats()["rejected"] == 2
