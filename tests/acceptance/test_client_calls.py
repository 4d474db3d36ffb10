"""Every call of the client library in each of its four ways, seen through the API: all tell the same."""

import logging
from typing import Any

import pytest

from foldline_client import FoldlineHandler, create_async_session, create_session
from tests.acceptance.sessions_api import SessionsApi, names
from tests.acceptance.stack import Stack
from tests.support.waiting import wait_until_sync

LOG = "shop.cart"


def record(session: Any) -> None:
    session.update_state({"status": "running", "user": {"name": "alice", "role": "admin"}})
    session.update_state({"user": {"role": None}, "state": {"nested": True}})
    session.update_state({"state": {"looks": "wrapped"}})
    session.log_event(
        "startup",
        level="WARN",
        category="boot",
        group="main",
        labels=["a", "b"],
        message="ünïcode",
        data={"config": "prod", "nan": float("nan")},
        source_file="main.py",
        source_line=3,
        source_function="main",
    )
    try:
        raise KeyError("missing")
    except KeyError:
        session.log_exception(extra_data={"while": "looking"})
    session.log_metric("memory_mb", 512.5, tags={"where": "backend"}, unit="MB", metadata={"a": 1})
    session.log_gauge("queue", 3, tags=["x"])
    session.log_counter("clicks")
    session.log_counter("clicks", 2)
    session.log_histogram("size", 7, unit="B", buckets=[1, 10])
    session.log_timer("import", 0.5, count=3)
    with session.timer("block"):
        pass
    with pytest.raises(ZeroDivisionError), session.timer("failing"):
        _ = 1 / 0
    handler = FoldlineHandler(session, logging.INFO)
    log = logging.getLogger(LOG)
    log.addHandler(handler)
    log.warning("only %d left", 3, extra={"sku": "A1"})
    log.debug("too quiet")
    log.removeHandler(handler)
    session.heartbeat()
    session.start_heartbeat_monitor(60)


def in_sync(address: dict[str, Any]) -> str:
    with create_session(product="Calls", version="1", hostname="h", **address) as session:
        record(session)
        details = session.get_details()
        assert (details["id"], details["ended_at"]) == (session.session_id, None)
    assert session.ended
    assert session.get_stats()["rejected"] == session.get_stats()["dropped"] == 0
    return session.session_id


async def in_asyncio(address: dict[str, Any]) -> str:
    async with await create_async_session(product="Calls", version="1", hostname="h", **address) as session:
        record(session)
        details = await session.get_details()
        assert (details["id"], details["ended_at"]) == (session.session_id, None)
    assert session.ended
    assert session.get_stats()["rejected"] == session.get_stats()["dropped"] == 0
    return session.session_id


def told(document: dict[str, Any]) -> dict[str, Any]:
    """What does not differ between two runs."""
    own = {"timestamp", "stacktrace", "source_line", "source_file"}
    kept: dict[str, Any] = {"hostname": document["hostname"], "state": document["state"]}
    for key in ("events", "metrics", "state_history"):
        kept[key] = [{name: one[name] for name in one.keys() - own} for one in document[key]]
    for metric in kept["metrics"]:
        if metric["name"] in ("block", "failing"):
            assert 0 <= metric.pop("value") < 30
    return kept


async def test_all_four_ways_tell_the_same(api: SessionsApi, stack: Stack) -> None:
    nats = {"url": stack.nats, "api_url": stack.api}
    http = {"url": stack.api}
    sessions = [in_sync(nats), in_sync(http), await in_asyncio(nats), await in_asyncio(http)]
    documents = [api.session(session) for session in sessions]
    first = told(documents[0])
    assert [told(document) for document in documents[1:]] == [first] * 3
    for document in documents:
        assert document["last_heartbeat"] > document["created_at"]
        assert document["ended_at"] >= document["state_history"][-1]["timestamp"]
        assert (document["active"], document["crashed"], document["hung"]) == (False, False, False)
        assert any("KeyError" in line for line in document["events"][1]["stacktrace"])
    assert first["state"] == {
        "product": "Calls",
        "version": "1",
        "status": "running",
        "user": {"name": "alice"},
        "state": {"nested": True, "looks": "wrapped"},
    }
    assert first["events"] == [
        {
            "name": "startup",
            "level": "warning",
            "category": "boot",
            "group": "main",
            "labels": ["a", "b"],
            "message": "ünïcode",
            "data": {"config": "prod", "nan": "NaN"},
            "source_function": "main",
        },
        {
            "name": "exception",
            "level": "error",
            "category": "error",
            "group": "exception",
            "labels": ["exception", "KeyError"],
            "message": "'missing'",
            "data": {"while": "looking"},
            "exception_type": "KeyError",
            "exception_msg": "'missing'",
            "source_function": "record",
        },
        {
            "name": "log",
            "level": "warning",
            "category": "warning",
            "group": LOG,
            "message": "only 3 left",
            "data": {"sku": "A1"},
            "source_function": "record",
        },
    ]
    assert [(one["name"], one["type"], one.get("value")) for one in first["metrics"]] == [
        ("memory_mb", "gauge", 512.5),
        ("queue", "gauge", 3),
        ("clicks", "counter", 1),
        ("clicks", "counter", 3),
        ("size", "histogram", 7),
        ("import", "timer", 0.5),
        ("block", "timer", None),
        ("failing", "timer", None),
    ]
    assert first["metrics"][4]["metadata"] == {"bounds": [1, 10]}
    assert first["metrics"][7]["metadata"] == {"exception": "ZeroDivisionError"}


@pytest.mark.parametrize("scheme", ["nats", "http"])
def test_an_exception_is_logged_and_ends_the_session(api: SessionsApi, stack: Stack, scheme: str) -> None:
    session = create_session(stack.nats if scheme == "nats" else stack.api, product="Raises", version="1")
    with pytest.raises(LookupError), session:
        raise LookupError("gone")
    document = api.until(session.session_id, active=False)
    assert names(document["events"]) == ["exception"]
    assert document["crashed"] is False


@pytest.mark.parametrize("scheme", ["nats", "http"])
def test_a_crash_is_reported(api: SessionsApi, stack: Stack, scheme: str) -> None:
    url = stack.nats if scheme == "nats" else stack.api
    session = create_session(url, product="Crashes", version="1")
    assert session.crash("out of memory")
    document = api.until(session.session_id, crashed=True)
    assert document["events"][0]["data"] == {"reason": "out of memory"}


@pytest.mark.parametrize("scheme", ["nats", "http"])
def test_a_burst_arrives_once_and_in_order(api: SessionsApi, stack: Stack, scheme: str) -> None:
    count = 300
    with create_session(stack.nats if scheme == "nats" else stack.api, "Burst", "1") as session:
        for n in range(count):
            session.log_event("n", data={"n": n})
        assert session.flush(60)
    document = api.until(session.session_id, active=False)
    assert [event["data"]["n"] for event in document["events"]] == list(range(count))


@pytest.mark.parametrize("scheme", ["nats", "http"])
def test_heartbeats_go_on_in_the_background(api: SessionsApi, stack: Stack, scheme: str) -> None:
    url = stack.nats if scheme == "nats" else stack.api
    with create_session(url, product="Beats", version="1") as session:
        session.start_heartbeat_monitor(0.05)
        assert session.flush()
        seen: set[str] = set()

        def beaten() -> bool:
            seen.add(api.session(session.session_id).get("last_heartbeat", ""))
            return len(seen) > 3

        api.until(session.session_id, active=True)
        wait_until_sync(beaten)
