"""Group commit for one stream: the facts that wait when a group is acknowledged are the next group."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from producers.publishing.backlog import Backlog, EntityAddress, PendingFact
from producers.publishing.batching_policy import MANY, BatchingPolicy
from producers.publishing.capacity import Capacity
from producers.publishing.jetstream_writer import BatchRefused, JetStreamWriter
from producers.publishing.outcomes import Ack, Refused
from producers.publishing.requests import InDoubt
from runtime.metrics import PUBLISH_BATCH

logger = logging.getLogger("foldline.publisher")

DEPTH: Final = 3
"""Groups in flight. No two of them share an entity, so that its facts keep their order."""

BATCH_MESSAGES: Final = 1000  # the server's own limit
BATCH_BYTES: Final = 4 << 20
CHAIN: Final = 8
"""Most facts of one entity that go as single publishes, each waiting for the one before."""

_TRY_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 0.5


class GroupCommit:
    """Carries waiting facts to their stream and gives each caller its own answer.

    Facts of one entity are stored in the order of their submission. A fact whose caller left is not sent any
    more; a fact in doubt is sent again under its message id until its caller leaves.
    """

    def __init__(self, writer: JetStreamWriter, *, waiting_messages: int, waiting_bytes: int) -> None:
        self._writer = writer
        self._backlog = Backlog()
        self._capacity = Capacity(messages=waiting_messages, size=waiting_bytes)
        self._tasks: set[asyncio.Task[bool]] = set()
        self._planned = False
        self._policy = BatchingPolicy()
        self._answered_at = 0.0  # when the group before was answered
        self._batch_events = PUBLISH_BATCH.labels(writer.stream)

    async def submit(self, items: Sequence[PendingFact]) -> None:
        """Queue the facts of a call. Raises TimeoutError when there is no capacity by its deadline."""
        for item in items:
            if not self._capacity.acquire_now(item.size):
                async with asyncio.timeout_at(item.call.deadline):
                    await self._capacity.acquire(item.size)
            item.submitted = True
            self._backlog.add(item)
            self._plan()

    def abandon(self, items: Sequence[PendingFact]) -> None:
        """Stop sending these facts, as far as they have no outcome: their caller leaves."""
        for item in items:
            if item.live:
                item.give_up()
                if item.submitted:
                    self._backlog.remove(item)
                    self._capacity.release(item.size)

    def _settle(self, item: PendingFact, outcome: Ack | Exception) -> None:
        if item.live:
            item.settle(outcome)
            self._capacity.release(item.size)

    async def drain(self) -> None:
        """Wait until no group is under way; the bounds of the callers end that."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _plan(self) -> None:
        # A group is taken when its task begins, in the loop's next turn, so that whoever is ready now joins.
        # Lingering longer was measured slower.
        if self._backlog and not self._planned and len(self._tasks) < DEPTH:
            self._planned = True
            task = asyncio.create_task(self._next())
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    async def _next(self) -> bool:
        """Carry the next group, if any fact may be sent: those that wait may all be of busy entities."""
        self._planned = False
        batch = self._backlog.take(messages=BATCH_MESSAGES, size=BATCH_BYTES)
        if not batch:
            return False
        self._plan()
        await self._carry(batch)
        self._backlog.release(batch)
        return True

    def _finished(self, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.result():
            self._plan()

    async def _carry(self, batch: list[PendingFact]) -> None:
        try:
            await self._store(batch)
        except Exception as exc:  # a bug of ours: no caller may wait for ever, no entity stay blocked
            logger.exception("publishing to %s failed", self._writer.stream)
            for item in batch:
                self._settle(item, exc)

    async def _store(self, batch: Sequence[PendingFact]) -> None:
        pause = _FIRST_PAUSE_S
        while self._goes_as_batch(batch := _in_time(batch)):
            began = time.perf_counter()
            try:
                acks = await self._writer.store_batch(batch, _until(batch))
            except InDoubt as doubt:
                pause = await _rest(pause, doubt)
            except (BatchRefused, Refused):
                break
            else:
                self._measured(batch, began, batch=True)
                self._batch_events.observe(len(batch))
                for item, ack in zip(batch, acks, strict=True):
                    self._settle(item, ack)
                return
        await self._store_singly(batch)

    async def _store_singly(self, batch: Sequence[PendingFact]) -> None:
        """Publish the first fact of each entity, then the next one of each, until none is left."""
        pause = _FIRST_PAUSE_S
        while leading := _leading(batch):
            began = time.perf_counter()
            doubt = await self._writer.store_singly(leading, _until(leading), self._settle)
            if doubt is None:
                self._measured(leading, began, batch=False)
            else:
                pause = await _rest(pause, doubt)

    def _measured(self, group: Sequence[PendingFact], began: float, *, batch: bool) -> None:
        now = time.perf_counter()  # the loop's own clock may count whole milliseconds
        # The server stores one group after the other, so the group before took part of this time.
        self._policy.measured(len(group), now - max(began, self._answered_at), batch=batch)
        self._answered_at = now

    def _goes_as_batch(self, batch: Sequence[PendingFact]) -> bool:
        if len(batch) > CHAIN and max(Counter([item.entity for item in batch]).values()) > CHAIN:
            return True
        return self._policy.as_batch(len(batch))


def _leading(batch: Sequence[PendingFact]) -> list[PendingFact]:
    """Return the first unsettled fact of each entity, for as many entities as may go side by side."""
    first: dict[EntityAddress, PendingFact] = {}
    for item in _in_time(batch):
        first.setdefault(item.entity, item)
    return list(first.values())[:MANY]


def _in_time(batch: Sequence[PendingFact]) -> list[PendingFact]:
    """Return the facts that may still be sent: without an outcome, and with a caller whose time is not up."""
    now = asyncio.get_running_loop().time()
    return [item for item in batch if item.live and item.call.deadline > now]


def _until(batch: Sequence[PendingFact]) -> float:
    """Return the seconds one try may take: an answer is of use only while a caller waits for it."""
    now = asyncio.get_running_loop().time()
    return min(_TRY_S, max([item.call.deadline for item in batch]) - now)


async def _rest(pause: float, doubt: InDoubt) -> float:
    logger.debug("in doubt, trying again: %s", doubt)
    await asyncio.sleep(pause)
    return min(pause * 1.5, _LONGEST_PAUSE_S)
