"""Over NATS, against a real server."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from client_nats_server import NatsServer

from foldline_client import Client, DetailsUnavailable, create_session
from foldline_client.items import Item, SessionRef
from foldline_client.nats_transport import NatsTransport, partition_of
from foldline_client.options import Options
from foldline_client.transport import Verdict

FAST: dict[str, Any] = {"retry_first": 0.02, "retry_max": 0.2}


def facts(server: NatsServer, stream: str = "SESSIONS") -> list[tuple[str, dict[str, Any]]]:
    return [(subject.rpartition(".")[2], body) for subject, body, _ in server.messages(stream)]


def test_a_whole_session(nats_server: NatsServer) -> None:
    with create_session(nats_server.url, product="App", version="1", hostname="h", machine_id="m") as session:
        state = {"status": "running", "list": [1]}
        session.update_state(state)
        state["list"].append(2)  # type: ignore[attr-defined]
        session.log_event("login", level="info", data={"user": "alice"})
        session.log_gauge("memory", 512.5, tags=["api"])
        session.log_counter("hits", 2)
        session.log_counter("hits")
        session.log_histogram("latency", 0.2, unit="s", buckets=[0.1, 1])
        with session.timer("work", count=3):
            pass
        session.heartbeat()
        assert session.flush()
        with pytest.raises(DetailsUnavailable, match="api_url"):
            session.get_details()
    assert session.get_stats()["delivered"] == 10
    found = facts(nats_server)
    assert [fact for fact, _ in found] == ["created", "state", "event", *["metric"] * 5, "ended"]
    assert found[0][1] == {"product": "App", "version": "1", "hostname": "h", "machine_id": "m"}
    assert found[1][1] == {"status": "running", "list": [1]}
    assert found[2][1]["data"] == {"user": "alice"}
    metrics = [body for fact, body in found if fact == "metric"]
    assert [(body["type"], body["value"]) for body in metrics[:4]] == [
        ("gauge", 512.5),
        ("counter", 2),
        ("counter", 3),
        ("histogram", 0.2),
    ]
    assert metrics[3]["metadata"] == {"bounds": [0.1, 1]}
    assert (metrics[4]["type"], metrics[4]["unit"], metrics[4]["count"]) == ("timer", "seconds", 3)
    assert facts(nats_server, "HEARTBEATS") == [("heartbeat", {})]
    subject, _, headers = nats_server.messages()[1]
    assert subject == f"ev.{partition_of(session.session_id, 16)}.local.session.{session.session_id}.state"
    assert headers["Nats-Msg-Id"].startswith(f"local:session:{session.session_id}:")
    assert headers["Foldline-Time"].endswith("Z")


def test_an_exception_is_logged_and_the_session_ended(nats_server: NatsServer) -> None:
    with pytest.raises(ZeroDivisionError), create_session(nats_server.url, "App", "1") as session:
        _ = 1 / 0
    session.update_state({"too": "late"})
    assert session.end()
    (_, _), (_, event), (last, _) = facts(nats_server)
    assert last == "ended"
    assert event["name"] == "exception"
    assert event["labels"] == ["exception", "ZeroDivisionError"]
    assert event["source_function"] == "test_an_exception_is_logged_and_the_session_ended"
    assert event["stacktrace"][-1] == "ZeroDivisionError: division by zero"


def test_crash_says_why(nats_server: NatsServer) -> None:
    session = create_session(nats_server.url, "App", "1")
    assert session.crash("parent_process_terminated")
    assert facts(nats_server)[-1] == ("crashed", {"reason": "parent_process_terminated"})


def test_a_session_begins_before_its_server(bare_nats: NatsServer) -> None:
    started = time.monotonic()
    session = create_session(bare_nats.url, "App", "1", **FAST)
    for number in range(50):
        session.log_event("early", data={"n": number})
    assert time.monotonic() - started < 1
    assert not session.flush(0.2)
    bare_nats.start()
    bare_nats.configure()
    assert session.end(15)
    found = facts(bare_nats)
    assert [body["data"]["n"] for fact, body in found if fact == "event"] == list(range(50))
    assert session.get_stats()["retries"] > 0


def test_kill_and_restart_lose_nothing_and_double_nothing(
    nats_server: NatsServer, until: Callable[..., Any]
) -> None:
    sessions = 4
    stop = threading.Event()
    counts: Counter[str] = Counter()
    with Client(nats_server.url, **FAST, request_timeout=2.0, batch_items=50) as client:

        def produce() -> None:
            session = client.create_session("App", "1")
            while not stop.wait(0.0005):
                session.log_event("e", data={"n": counts[session.session_id]})
                counts[session.session_id] += 1
            session.end(20)

        threads = [threading.Thread(target=produce) for _ in range(sessions)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            goal = client.get_stats()["delivered"] + 300
            until(lambda goal=goal: client.get_stats()["delivered"] >= goal)
            nats_server.kill()
            until(lambda: not client.get_stats()["connected"])
            nats_server.start()
        stop.set()
        for thread in threads:
            thread.join()
        assert client.flush(20)
        stats = client.get_stats()
    assert (stats["dropped"], stats["rejected"]) == (0, 0)
    seen: dict[str, list[int]] = {}
    for subject, body, _ in nats_server.messages():
        if subject.endswith(".event"):
            seen.setdefault(subject.split(".")[4], []).append(body["data"]["n"])
    assert seen == {session: list(range(count)) for session, count in counts.items()}


def test_overflow_is_counted_and_told(bare_nats: NatsServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "foldline_client"):
        session = create_session(bare_nats.url, "App", "1", buffer_items=100, **FAST)
        for number in range(500):
            session.log_event("e", data={"n": number})
        session.log_metric("m", 1)
        session.update_state({"kept": True})
        session.heartbeat()
        session.heartbeat()
        assert session.get_stats()["dropped"] == 412
        bare_nats.start()
        bare_nats.configure()
        assert session.flush(15)
        assert session.end()
    assert sum("the buffer is full" in record.message for record in caplog.records) == 1
    found = facts(bare_nats)
    assert [body["data"]["n"] for _, body in found if body.get("name") == "e"] == list(range(89))
    assert ("state", {"kept": True}) in found
    (notice,) = [body for _, body in found if body.get("name") == "foldline_client_dropped"]
    assert notice["data"]["dropped"] == {"event": 411, "metric": 1}
    assert notice["data"]["total"] == 412
    assert len(facts(bare_nats, "HEARTBEATS")) == 1


async def test_an_outcome_in_doubt_is_settled_by_the_same_ids(nats_server: NatsServer) -> None:
    ref = SessionRef("S1")
    items = [Item(ref, "event", b'{"name":"e"}', f"k{number}") for number in range(5)]
    transport = NatsTransport(nats_server.url, Options())
    first = await transport.deliver(items[:3])
    position = ref.position()
    again = await transport.deliver(items)
    await transport.close()
    assert [outcome.verdict for outcome in first + again] == [Verdict.DELIVERED] * 8
    assert position == f"SESSIONS/{partition_of('S1', 16)}:3"
    assert ref.position() == f"SESSIONS/{partition_of('S1', 16)}:5"
    assert [headers["Nats-Msg-Id"] for _, _, headers in nats_server.messages()] == [
        f"local:session:S1:k{number}" for number in range(5)
    ]


@pytest.mark.parametrize("sessions", [{"allow_atomic": False}, {"max_msg_size": 400}])
def test_a_refused_batch_goes_out_one_by_one(bare_nats: NatsServer, sessions: dict[str, Any]) -> None:
    bare_nats.start()
    bare_nats.configure(**sessions)
    session = create_session(bare_nats.url, "App", "1")
    for number in range(20):
        session.log_event("e", message="x" * 500 if number == 7 and "max_msg_size" in sessions else None)
    assert session.end()
    rejected = int("max_msg_size" in sessions)
    assert session.get_stats()["rejected"] == rejected
    assert len(facts(bare_nats)) == 22 - rejected


def test_bad_values_do_not_break_the_line(nats_server: NatsServer) -> None:
    with create_session(nats_server.url, "App", "1") as session:
        session.log_metric("loss", float("nan"))
        session.log_event("big", message="x" * (1 << 20))
        session.update_state({"loss": float("nan"), "text": "a\x00"})
    assert session.get_stats()["rejected"] == 2
    assert [fact for fact, _ in facts(nats_server)] == ["created", "state", "ended"]
    assert facts(nats_server)[1][1] == {"loss": "NaN", "text": "a\ufffd"}


def test_wrong_arguments_are_told_at_once(nats_server: NatsServer) -> None:
    for url in ("localhost:4222", "ftp://host", "nats://", "nats://host:port", "http://host:port"):
        with pytest.raises(ValueError, match=r"host|address|Port|port"):
            create_session(url, "App", "1")
    for arguments in ({"session_id": "a.b"}, {"site": "a.b"}, {"batch_items": 0}, {"retry_max": 0}):
        with pytest.raises(ValueError, match=r"session_id|site|batch_items|retry_max"):
            create_session(nats_server.url, "App", "1", **arguments)
    with pytest.raises(ValueError, match="product must not be empty"):
        create_session(nats_server.url, "", "1")
    with create_session(nats_server.url, "App", "1") as session:
        with pytest.raises(ValueError, match="no exception"):
            session.log_exception()
        with pytest.raises(ValueError, match="only goes up"):
            session.log_counter("c", -1)
