"""JetStream's delivery metadata, in the two forms servers use."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.aio.msg import Msg

from line.delivery import Delivery, parse_delivery, parse_status

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STORED = 1_769_860_800_123_456_789


def message(headers: dict[str, str] | None, reply: str = "") -> Msg:
    return Msg(Mock(Client), subject="_INBOX.x", reply=reply, data=b"", headers=headers)


@pytest.mark.parametrize(
    "reply",
    [
        f"$JS.ACK.SESSIONS.durable.1.12.7.{STORED}.3",
        f"$JS.ACK._.ACCOUNT.SESSIONS.durable.1.12.7.{STORED}.3",
        f"$JS.ACK.hub.ACCOUNT.SESSIONS.durable.1.12.7.{STORED}.3.random",
    ],
)
def test_both_forms_are_read(reply: str) -> None:
    assert parse_delivery(reply) == Delivery(12, 7, datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC), 3)


@given(
    st.integers(0, (datetime(2106, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)),
    st.integers(0, 999),
)
def test_store_times_are_cut_off_behind_the_microsecond(microseconds: int, nanoseconds: int) -> None:
    reply = f"$JS.ACK.S.c.1.1.1.{microseconds * 1000 + nanoseconds}.0"
    assert parse_delivery(reply).stored_at == EPOCH + timedelta(microseconds=microseconds)


def test_a_message_from_the_stream_has_no_status() -> None:
    reply = f"$JS.ACK.S.c.1.1.1.{STORED}.0"
    assert parse_status(message(None, reply)) is None
    # A producer's own header of that name means nothing.
    assert parse_status(message({"Status": "409"}, reply)) is None


@pytest.mark.parametrize(
    ("headers", "heartbeat", "ends", "unused"),
    [
        ({"Status": "100", "Description": "Idle Heartbeat"}, True, False, 0),
        ({"Status": "408", "Nats-Pending-Messages": "12"}, False, True, 12),
        ({"Status": "404", "Description": "No Messages"}, False, True, 0),
        ({"Status": "409", "Description": "Message Size Exceeds MaxBytes"}, False, True, 0),
        ({"Status": "409", "Description": "Batch Completed"}, False, True, 0),
        ({"Status": "409", "Description": "Consumer Deleted"}, False, False, 0),
        ({"Status": "409", "Description": "Server Shutdown", "Nats-Pending-Messages": "3"}, False, False, 3),
        ({"Status": "503"}, False, False, 0),
    ],
)
def test_status_messages(headers: dict[str, str], heartbeat: bool, ends: bool, unused: int) -> None:
    status = parse_status(message(headers))
    assert status is not None
    assert (status.is_heartbeat, status.ends_request, status.unused) == (heartbeat, ends, unused)


def test_headers_behind_a_status_are_no_part_of_its_description() -> None:
    block = {"Status": "503", "Description": "\r\nNats-Subject: $JS.API.CONSUMER.MSG.NEXT.SESSIONS.c"}
    status = parse_status(message(block))
    assert status is not None
    assert (status.code, status.description) == ("503", "")
