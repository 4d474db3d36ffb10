"""Header blocks are searched, not parsed."""

import pytest

from schemas.headers import NO_HEADERS, header, header_begins, header_block

BLOCK = b"NATS/1.0\r\nNats-Msg-Id: one\r\nOther:  x:y \r\nNats-Msg-Id: two\r\nEmpty:\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [("Nats-Msg-Id", "one"), ("Other", "x:y"), ("Empty", ""), ("Msg-Id", None), ("nats-msg-id", None)],
)
def test_a_header_is_found_by_its_whole_name_and_the_first_counts(name: str, value: str | None) -> None:
    assert header(BLOCK, name) == value


@pytest.mark.parametrize("block", [NO_HEADERS, b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nA: b", b"\xff\r\n"])
def test_a_block_without_it(block: bytes) -> None:
    assert header(block, "Nats-Msg-Id") is None


def test_a_block_cut_short_and_a_value_that_is_not_utf8() -> None:
    assert header(b"NATS/1.0\r\nA: b", "A") == "b"
    assert header(b"NATS/1.0\r\nA: \xff\r\n\r\n", "A") == "\ufffd"


def test_what_is_written_is_read() -> None:
    block = header_block({"Nats-Msg-Id": "é", "Foldline-Time": "2026-01-31T12:00:00Z"})
    assert header(block, "Nats-Msg-Id") == "é"
    assert header(block, "Foldline-Time") == "2026-01-31T12:00:00Z"
    assert header_block({}) == NO_HEADERS


def test_what_a_header_begins_with() -> None:
    assert header_begins(b"NATS/1.0\r\nA: b\r\nId: auto:1\r\n\r\n", "Id", b" auto:")
    assert not header_begins(b"NATS/1.0\r\nId:xauto:1\r\n\r\n", "Id", b" auto:")
    assert not header_begins(b"NATS/1.0\r\nId: mine\r\nId: auto:1\r\n\r\n", "Id", b" auto:")
    assert not header_begins(b"", "Id", b" auto:")
