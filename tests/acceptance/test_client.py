"""The Python client end to end: sync and async, straight to NATS and over HTTP."""

from typing import Any

import pytest

from foldline_client import create_async_session, create_session
from tests.acceptance.stack import Stack


def url_of(stack: Stack, scheme: str) -> dict[str, Any]:
    return {"url": stack.api} if scheme == "http" else {"url": stack.nats, "api_url": stack.api}


def check(details: dict[str, Any]) -> None:
    assert details["state"]["user"] == {"name": "alice"}
    assert [event["name"] for event in details["events"]] == [
        "startup",
        "exception",
        "application_appears_hung",
        *(["application_recovered"] if len(details["events"]) > 3 else []),
    ]
    assert details["events"][1]["exception_type"] == "ZeroDivisionError"
    assert [metric["name"] for metric in details["metrics"]] == ["memory_mb", "queue", "work"]
    assert details["metrics"][0]["tags"] == ["api"]
    assert details["last_heartbeat"]
    assert (details["hostname"], details["machine_id"]) == ("client-host", "m-client")
    assert details["ended_at"] is None


def record(session: Any) -> None:
    session.update_state({"status": "running", "user": {"name": "alice", "role": "admin"}})
    session.update_state({"user": {"role": None}})
    session.log_event("startup", level="info", data={"config": "prod"})
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        session.log_exception(extra_data={"while": "dividing"})
    session.log_metric("memory_mb", 512.5, tags=["api"])
    session.log_gauge("queue", 3)
    with session.timer("work"):
        pass
    session.log_event("application_appears_hung")
    session.heartbeat()


@pytest.mark.parametrize("scheme", ["nats", "http"])
def test_a_session_of_a_plain_program(stack: Stack, scheme: str) -> None:
    with create_session(
        product="Client", version="1", hostname="client-host", machine_id="m-client", **url_of(stack, scheme)
    ) as session:
        record(session)
        check(session.get_details())
        session_id = session.session_id
    with create_session(product="Reader", version="1", **url_of(stack, scheme)) as reader:
        assert reader.session_id != session_id
        reader.log_event("last")
        assert reader.get_details()["events"][-1]["name"] == "last"


@pytest.mark.parametrize("scheme", ["nats", "http"])
async def test_a_session_of_an_asyncio_program(stack: Stack, scheme: str) -> None:
    async with await create_async_session(
        product="Client", version="1", hostname="client-host", machine_id="m-client", **url_of(stack, scheme)
    ) as session:
        record(session)
        check(await session.get_details())


@pytest.mark.parametrize("scheme", ["nats", "http"])
def test_a_burst_arrives_once_and_in_order(stack: Stack, scheme: str) -> None:
    count = 300
    with create_session(product="Burst", version="1", **url_of(stack, scheme)) as session:
        for n in range(count):
            session.log_event("n", data={"n": n})
        assert session.flush(60)
        details = session.get_details(30)
    assert [event["data"]["n"] for event in details["events"]] == list(range(count))
