"""Python's logging as events."""

import logging
from collections.abc import Iterator

import pytest
from client_http_server import HttpServer

from foldline_client import FoldlineHandler, Session, create_session


@pytest.fixture
def session(http_server: HttpServer) -> Iterator[Session]:
    with create_session(http_server.url, "App", "1") as session:
        yield session


@pytest.fixture
def log(session: Session) -> Iterator[logging.Logger]:
    """The root logger at DEBUG: what httpx logs while sending must not come back as events."""
    root = logging.getLogger()
    handler = FoldlineHandler(session)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield logging.getLogger("shop.cart")
    root.removeHandler(handler)
    root.setLevel(level)


def sent(session: Session, server: HttpServer) -> list[dict[str, object]]:
    assert session.flush()
    return [body for path, body, _ in server.requests if path.endswith("/events")]


def test_records_become_events(session: Session, log: logging.Logger, http_server: HttpServer) -> None:
    log.info("put %d in", 3, extra={"sku": "A1"})
    log.log(logging.CRITICAL + 5, "worse")
    first, second = sent(session, http_server)
    assert first["name"] == "log"
    assert (first["level"], first["category"], first["group"]) == ("info", "info", "shop.cart")
    assert (first["message"], first["data"]) == ("put 3 in", {"sku": "A1"})
    assert first["source_function"] == "test_records_become_events"
    assert str(first["timestamp"]).endswith("Z")
    assert second["level"] == "critical"


def test_exceptions_bring_their_stack(session: Session, log: logging.Logger, http_server: HttpServer) -> None:
    try:
        raise ValueError("no stock")
    except ValueError:
        log.exception("order failed")
    (event,) = sent(session, http_server)
    assert (event["level"], event["message"]) == ("error", "order failed")
    assert (event["exception_type"], event["exception_msg"]) == ("ValueError", "no stock")
    assert isinstance(event["stacktrace"], list)
    assert event["stacktrace"][-1] == "ValueError: no stock"


def test_sending_makes_no_events_of_its_own(
    session: Session, log: logging.Logger, http_server: HttpServer
) -> None:
    logging.getLogger("foldline_client").warning("about ourselves")
    log.debug("one")
    assert len(sent(session, http_server)) == 1
    assert len(sent(session, http_server)) == 1


def test_a_handler_outlives_its_session(
    session: Session, log: logging.Logger, http_server: HttpServer
) -> None:
    session.end()
    log.error("after the end")
    assert sent(session, http_server) == []
