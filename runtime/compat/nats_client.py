"""Messages handed over as they come off the socket: the short way into a follower, and back to a publisher.

nats-py tries six patterns on every line, builds a message object, parses its headers character by character
and passes it through a queue to a task. That costs several times what a fold does, so followers subscribe
with a sink: stored messages go to the sink, everything else (what the server says about the subscription)
the usual way, to the callback. Publishers have their acknowledgements answered the same way.
"""

from collections.abc import Callable
from typing import Final

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.protocol.parser import Parser

Sink = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes subject, reply subject, body and header block (maybe empty) of one delivery. Must not raise."""

Answer = Callable[[bytes, bytes], None]
"""Takes subject and body of a message without headers that asks for no reply. Must not raise."""

_DELIVERY: Final = b"$JS.ACK."
_PLAIN: Final = 4  # words of a line that tells of no reply subject and no headers
_LINE: Final = b"\r\n"


class BusClient(Client):
    """nats-py's client with `sinks` and `answers`, both by the id of the subscription they belong to."""

    def __init__(self) -> None:
        super().__init__()
        self.sinks: dict[int, Sink] = {}
        self.answers: dict[int, Answer] = {}
        self._ps = _DeliveryParser(self)

    async def send(self, lines: bytes) -> None:
        """Send lines of the protocol, behind whatever was sent before. Raises nats' Error, OSError."""
        self.stats["out_bytes"] += len(lines)
        if not self._pending and isinstance(self._transport, TcpTransport):
            # At once: the client's own way, through a queue and a task, takes two more turns of the loop.
            self._transport.write(lines)  # type: ignore[no-untyped-call]
            return
        await self._send_command(lines)
        # As the client's own publish: with a flush under way another one would wait in its bounded queue.
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()


class _DeliveryParser(Parser):
    """nats-py's parser behind a short cut: it gets only what is no delivery for a sink, piece by piece."""

    nc: BusClient

    def reset(self) -> None:
        super().reset()
        self._rest = bytearray()  # of a piece that has not arrived whole
        self._whole = 0  # as many bytes as it has, if its first line tells

    async def parse(self, data: bytes = b"") -> None:
        if self._rest:
            self._rest += data
            if len(self._rest) < self._whole:
                return
            data = bytes(self._rest)
            self._rest.clear()
        start = 0
        while (other := self._deliver(data, start)) is not None:
            start = other.stop
            await super().parse(data[other.start : other.stop])

    def _deliver(self, data: bytes, start: int) -> slice | None:
        """Hand deliveries over, up to the first whole piece of another kind: that is answered."""
        sinks, answers, stats = self.nc.sinks, self.nc.answers, self.nc.stats
        whole = 0
        # For every message that is read: slices of bytes, each taken once, cost less than anything else.
        while (line_end := data.find(_LINE, start)) >= 0:
            body = after = line_end + 2
            words = data[start:line_end].split(b" ")
            if words[0] == b"HMSG":
                body, after = body + int(words[-2]), body + int(words[-1]) + 2
            elif words[0] == b"MSG":
                after += int(words[-1]) + 2
            if len(data) < after:
                whole = after - start
                break
            sid = int(words[2]) if after > body else 0
            if sid in sinks and words[3].startswith(_DELIVERY):
                sinks[sid](words[1], words[3], data[body : after - 2], data[line_end + 2 : body])
            elif sid in answers and len(words) == _PLAIN:
                answers[sid](words[1], data[body : after - 2])
            else:
                return slice(start, after)
            stats["in_msgs"] += 1
            stats["in_bytes"] += after - 2 - body
            start = after
        self._rest += data[start:]
        self._whole = whole
        return None


def readable(subject: bytes) -> str:
    """A subject as text; NATS takes any bytes in one."""
    return subject.decode(errors="backslashreplace")
