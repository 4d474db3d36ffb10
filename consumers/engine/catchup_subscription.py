"""Catch-up subscription: partitions of one stream, from their checkpoints to the head and on from there.

The checkpoint in PostgreSQL is the only truth about progress: the server is told where to begin, and nothing
is acknowledged to it.
"""

from collections.abc import Mapping
from typing import Final

from consumers.engine.buffer import Buffer
from line.delivery import Delivery
from line.pull_consumer import PullConsumer, start_after
from line.raw_event import RawEvent
from runtime.compat.nats_client import BusClient, readable
from schemas.streams import MAX_PAYLOAD
from schemas.subjects import PREFIX

_MAX_ASK: Final = 2_000


class CatchUp:
    """Fills `buffer` with the events after `checkpoints` (by partition), in order, without gaps.

    It reads one partition, or all there are: no consumer of the server selects several of them quickly.
    Whenever anything looks wrong (`broken` says what) it has to be closed and opened anew at the checkpoints.
    `sharing`: how many partitions, each stream's counted, share the buffer.
    """

    def __init__(
        self, nc: BusClient, buffer: Buffer, *, stream: str, checkpoints: Mapping[int, int], sharing: int
    ) -> None:
        self.stream = stream
        self.partitions = checkpoints.keys()
        self._consumer = PullConsumer(nc, stream, self._put, self.ask)
        self._last = {str(part).encode(): [part, last] for part, last in checkpoints.items()}
        self._start = start_after(min(checkpoints.values()))
        self._buffer = buffer
        self._sharing = max(1, sharing / len(checkpoints))

    @property
    def broken(self) -> str | None:
        """Why nothing more comes; None while all is well."""
        return self._consumer.broken

    @property
    def expecting(self) -> bool:
        """Whether the server has more that it was asked for."""
        return self._consumer.pending > 0 and self._consumer.credit > 0 and not self.broken

    async def open(self) -> None:
        """Create the consumer and ask for the first events. Problems end up in `broken`."""
        one = f"{PREFIX}.{min(self.partitions)}.>" if len(self.partitions) == 1 else None
        await self._consumer.open(self._start, one)
        await self.ask()

    async def close(self) -> None:
        """Stop reading."""
        await self._consumer.close()

    def give_up(self, why: str) -> None:
        """Deliver nothing more: the partitions moved, or what was read is void."""
        self._consumer.broken = self._consumer.broken or why

    def check(self) -> None:
        """Notice a server that went away or silent."""
        self._consumer.check()

    async def ask(self) -> None:
        """Ask for more when less than half of the last request is outstanding and the buffer has room."""
        if not self._consumer.is_open:
            return
        room = self._buffer.room()
        # At least one while there is room: a buffer smaller than the number of readers is slow, not stuck.
        most = _MAX_ASK * len(self.partitions)
        share = min(most, max(1, int(room / self._sharing))) if room else 0
        if self._consumer.credit > share // 2 or share == 0:
            return
        # A message larger than this could never be delivered, so the largest possible one must fit.
        max_bytes = max(MAX_PAYLOAD + (64 << 10), int(self._buffer.max_bytes / self._sharing))
        await self._consumer.ask(share, max_bytes=max_bytes)

    def _put(self, delivery: Delivery, subject: bytes, body: bytes, headers: bytes) -> None:
        # Asks for no more by itself: every arrival makes the follower take, and then it asks.
        last = self._last.get(subject.split(b".", 2)[1])
        if last is None or delivery.sequence <= last[1]:
            return
        last[1] = delivery.sequence
        self._buffer.put(
            RawEvent(
                self.stream,
                last[0],
                delivery.sequence,
                delivery.stored_at,
                readable(subject),
                headers,
                body,
            )
        )
