"""The short way from the socket into a sink, however the bytes are cut."""

import inspect
from typing import Any

import nats.aio.client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.protocol.parser import Parser

from runtime.compat import nats_unreadable
from runtime.compat.nats_client import BusClient

SUNK, ANSWERED, OTHER = 7, 8, 9
_TEXT = st.text("abc.\x0b", min_size=1, max_size=8).map(str.encode)
_BODY = st.sampled_from([b"", b"{}", b"MSG a 7 1\r\nx\r\n", b"\r\nPING\r\n", bytes(range(256))])
_HEADERS = st.sampled_from([b"", b"NATS/1.0\r\nA: b\r\n\r\n"])
_REPLIES = st.sampled_from([b"$JS.ACK.S.c.1.2.3.4.5", b"_INBOX.x", b""])
_SIDS = st.sampled_from([SUNK, ANSWERED, OTHER])


def _message(subject: bytes, sid: int, reply: bytes, body: bytes, headers: bytes) -> bytes:
    lengths = b"%d %d" % (len(headers), len(headers) + len(body)) if headers else b"%d" % len(body)
    words = [b"HMSG" if headers else b"MSG", subject, b"%d" % sid, *([reply] if reply else []), lengths]
    return b" ".join(words) + b"\r\n" + headers + body + b"\r\n"


_PIECES = st.lists(
    st.one_of(
        st.just((b"PING\r\n",)),
        st.just((b"+OK\r\n",)),
        st.tuples(_TEXT, _SIDS, _REPLIES, _BODY, _HEADERS),
    ),
    max_size=12,
)


class Client(BusClient):
    """Notes what goes the usual way."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.sinks[SUNK] = lambda subject, reply, body, headers: self.seen.append(
            ("sink", subject, reply, body, headers)
        )
        self.answers[ANSWERED] = lambda subject, body: self.seen.append(("answer", subject, b"", body, b""))

    async def _process_msg(self, sid: int, subject: Any, reply: Any, data: Any, headers: Any) -> None:
        self.seen.append((sid, bytes(subject), bytes(reply), data, headers or b""))

    async def _process_ping(self) -> None:
        self.seen.append("ping")


@given(pieces=_PIECES, size=st.integers(1, 60))
async def test_every_piece_goes_its_way_in_order(pieces: list[tuple[Any, ...]], size: int) -> None:
    client = Client()
    expected: list[Any] = []
    wire = b""
    for piece in pieces:
        if len(piece) == 1:
            wire += piece[0]
            expected += ["ping"] if piece[0] == b"PING\r\n" else []
            continue
        subject, sid, reply, body, headers = piece
        way: Any = sid
        if sid == SUNK and reply.startswith(b"$JS"):
            way = "sink"
        elif sid == ANSWERED and not reply and not headers:
            way = "answer"
        elif b"\x0b" in subject:
            continue  # nats-py itself takes it for a blank
        wire += _message(*piece)
        expected.append((way, subject, reply, body, headers))
    for start in range(0, len(wire), size):
        await client._ps.parse(wire[start : start + size])
    assert client.seen == expected
    assert not client._ps._rest


async def test_nothing_is_left_of_a_connection_that_was_lost() -> None:
    client = Client()
    await client._ps.parse(b"MSG a 7 $JS.ACK.x 10\r\nabc")
    client._ps.reset()
    await client._ps.parse(b"PING\r\n")
    assert client.seen == ["ping"]


def test_the_client_has_what_is_taken_from_it() -> None:
    client = nats.aio.client.Client()
    assert (client._pending, client._pending_data_size) == ([], 0)
    assert (client._transport, client._flush_queue, client._disconnected_cb) == (None, None, None)
    assert isinstance(client._ps, Parser)
    assert {"in_msgs", "in_bytes", "out_bytes"} <= set(client.stats)
    assert Subscription(client, 7)._id == 7


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (nats.aio.client.Client._send_command, ["self", "cmd", "priority"]),
        (nats.aio.client.Client._flush_pending, ["self", "force_flush"]),
        (TcpTransport.write, ["self", "payload"]),
        (Parser.__init__, ["self", "nc"]),
        (Parser.reset, ["self"]),
        (Parser.parse, ["self", "data"]),
        (nats_unreadable._build_message, ["self", "sid", "subject", "reply", "data", "headers"]),
        (nats_unreadable._process_headers, ["self", "headers"]),
    ],
)
def test_its_methods_take_what_they_are_given(function: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(function).parameters) == parameters
