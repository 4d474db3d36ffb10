"""Facts of several entities stored together: all of them in one atomic batch, or none."""

import asyncio
from collections.abc import Sequence
from typing import Final

from producers.publishing.backlog import PendingFact
from producers.publishing.jetstream_writer import BatchRefused, JetStreamWriter
from producers.publishing.outcomes import Ack, BusUnavailable, Conflict, Refused
from producers.publishing.requests import InDoubt
from runtime.metrics import PUBLISH_BATCH

AT_ONCE: Final = 8
"""Batches of one stream under way. The server takes 50 of all its clients; group commit has 3 more."""

_TRY_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.5


class AtomicBatches:
    """Stores batches in one stream, each fact with the expected last sequence of its entity.

    An outcome in doubt is settled by looking on the line, and a batch that was not stored is sent again as a
    whole: never a fact by itself.
    """

    def __init__(self, writer: JetStreamWriter) -> None:
        self._writer = writer
        self._room = asyncio.Semaphore(AT_ONCE)
        self._batch_events = PUBLISH_BATCH.labels(writer.stream)

    async def store(self, items: Sequence[PendingFact], deadline: float) -> list[Ack]:
        """Store all facts, or none, by `deadline` on the loop's clock.

        Raises Conflict for the first fact whose entity is at another sequence, Refused, and BusUnavailable
        when the time ran out: then the batch is stored as a whole, or not at all.
        """
        try:
            async with asyncio.timeout_at(deadline), self._room:
                acks = await self._store(items, deadline)
        except TimeoutError:
            raise BusUnavailable("the event stream did not acknowledge in time") from None
        self._batch_events.observe(len(items))
        return acks

    async def drain(self) -> None:
        """Wait until no batch is under way."""
        for _ in range(AT_ONCE):
            await self._room.acquire()
        for _ in range(AT_ONCE):
            self._room.release()

    async def _store(self, items: Sequence[PendingFact], deadline: float) -> list[Ack]:
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_S
        while True:
            refusal = None
            try:
                return await self._writer.store_batch(items, min(_TRY_S, deadline - loop.time()))
            except BatchRefused as exc:
                refusal = exc
            except InDoubt:
                pass
            try:
                stored = await self._settle(items)
            except InDoubt:
                stored = None
            else:
                if stored is None and refusal is not None and refusal.is_final:
                    raise Refused(str(refusal)) from refusal
            if stored is not None:
                return stored
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    async def _settle(self, items: Sequence[PendingFact]) -> list[Ack] | None:
        """Return where the batch was stored, None if it may still be. Raises Conflict, InDoubt."""
        for _ in range(2):
            found = await asyncio.gather(*(self._find(item) for item in items))
            acks = [one for one in found if isinstance(one, Ack)]
            if len(acks) == len(items):
                return acks
            for one in found:
                if isinstance(one, Conflict):
                    raise one
            if not acks:
                return None
            # Stored while we looked; the next look sees all of it.
        # Still not all: the message id of some was used by an earlier publish, not by this batch.
        item = next(item for item, one in zip(items, found, strict=True) if isinstance(one, Ack))
        raise Conflict(item.fact, await self._writer.last_sequence(item, _TRY_S))

    async def _find(self, item: PendingFact) -> Ack | Conflict | None:
        """Return where one fact is stored, what is in its way, or None if it may still be stored."""
        # In this order: a batch still on its way may be stored between the two questions.
        last = await self._writer.last_sequence(item, _TRY_S)
        if last == item.expected_last:
            return None
        return await self._writer.find(item, _TRY_S) or Conflict(item.fact, last)
