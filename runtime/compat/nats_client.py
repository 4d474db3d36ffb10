"""nats-py's client with a short way in and out, past its parser, its message objects and its queues.

nats-py tries six patterns on every line, builds a message object, parses its headers character by character
and passes it through a queue to a task. That costs several times what a fold does, so followers subscribe
with a sink: stored messages go to the sink, everything else (what the server says about the subscription)
goes the usual way, to the callback. Publishers have their acknowledgements answered the same way.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport
from nats.protocol.parser import Parser

Sink = Callable[[bytes, bytes, bytes, bytes], None]
"""Takes subject, reply subject, body and header block (maybe empty) of one delivery. Must not raise."""

Answer = Callable[[bytes, bytes], None]
"""Takes subject and body of a message without headers that asks for no reply. Must not raise."""

Callback = Callable[[Msg], Awaitable[None]]
"""nats-py's own callback; it gets the messages that take the usual way."""

_DELIVERY: Final = b"$JS.ACK."
_PLAIN: Final = 4  # words of a MSG line with neither a reply subject nor headers
_LINE: Final = b"\r\n"


class BusClient(Client):
    """nats-py's client with `sinks` and `answers`, both by the id of the subscription they belong to."""

    def __init__(self) -> None:
        super().__init__()
        self.sinks: dict[int, Sink] = {}
        self.answers: dict[int, Answer] = {}
        self._ps = _DeliveryParser(self)

    async def subscribe_sink(self, subject: str, sink: Sink, *, cb: Callback) -> Subscription:
        """Subscribe; stored messages go to `sink`, all others to `cb`. Raises nats' Error.

        `unsubscribe_sink` ends it.
        """
        subscription = await self.subscribe(subject, cb=cb)
        self.sinks[subscription._id] = sink
        return subscription

    async def unsubscribe_sink(self, subscription: Subscription) -> None:
        """End a subscription with a sink, which gets nothing more from here on. Raises nats' Error."""
        self.sinks.pop(subscription._id, None)
        await subscription.unsubscribe()

    async def subscribe_answers(self, subject: str, answer: Answer, *, cb: Callback) -> Subscription:
        """Subscribe; messages without headers and reply subject go to `answer`, all others to `cb`.

        Raises nats' Error, OSError. The subscription lasts as long as the client.
        """
        subscription = await self.subscribe(subject, cb=cb)
        self.answers[subscription._id] = answer
        return subscription

    async def send(self, lines: bytes) -> None:
        """Send lines of the protocol, behind whatever was sent before. Raises nats' Error, OSError."""
        self.stats["out_bytes"] += len(lines)
        if not self._pending and isinstance(self._transport, TcpTransport):
            # Written at once: the client's own way, by a queue and a task, takes two more turns of the loop.
            self._transport.write(lines)  # type: ignore[no-untyped-call]
            return
        await self._send_command(lines)
        # As in the client's own publish: while a flush is under way another one would wait in its queue.
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()

    def drop_unsent(self) -> None:
        """Forget what was not written to the socket yet; the client would send it after a reconnect."""
        self._pending.clear()
        self._pending_data_size = 0

    def on_disconnect(self, act: Callable[[], None]) -> None:
        """Call `act` whenever the connection is lost or closed, before the callbacks there are already.

        A client has one such callback, given at connect time, and it belongs to whoever connected: this one
        is put in front of it.
        """
        following = self._disconnected_cb

        async def disconnected() -> None:
            act()
            if following is not None:
                await following()

        self._disconnected_cb = disconnected


class _DeliveryParser(Parser):
    """nats-py's parser behind a short cut: it gets only what has neither sink nor answer, piece by piece."""

    nc: BusClient

    def reset(self) -> None:
        super().reset()
        self._rest = bytearray()  # the beginning of a piece whose end has not arrived
        self._whole = 0  # the length of that piece, bytes; 0 while its first line is not complete

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
        """Hand deliveries over; return the first whole piece that has to go the usual way."""
        sinks, answers, stats = self.nc.sinks, self.nc.answers, self.nc.stats
        whole = 0
        # This runs for every message that is read: slices of bytes, each taken once, cost the least.
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
    r"""Return a subject as text. NATS takes any bytes in one; those that are not UTF-8 become `\xff`."""
    return subject.decode(errors="backslashreplace")
