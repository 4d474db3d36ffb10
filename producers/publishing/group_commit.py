"""Group commit for one stream: what waits when a group's acks are back is the next group."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from producers.publishing.backlog import Backlog, Entity, Waiting
from producers.publishing.batching_policy import MANY, Choice
from producers.publishing.capacity import Room
from producers.publishing.jetstream_writer import BatchRefused, Wire
from producers.publishing.outcomes import Ack, Refused
from producers.publishing.requests import InDoubt
from runtime.metrics import PUBLISH_BATCH

logger = logging.getLogger("foldline.publisher")

DEPTH: Final = 3
"""Groups in flight. They never share an entity, so its facts keep their order."""

BATCH_MESSAGES: Final = 1000  # the server's own limit
BATCH_BYTES: Final = 4 << 20
CHAIN: Final = 8
"""Facts of one entity that may follow one another as single requests, each waiting for the one before."""

_TRY: Final = 2.0
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 0.5


class GroupCommit:
    """Carries waiting facts to their stream and gives each caller its own answer.

    Order: the facts of one entity are stored in the order they were submitted. A fact whose caller left is
    not sent any more; one in doubt is sent again under its message id until its caller leaves.
    """

    def __init__(self, wire: Wire, *, waiting_messages: int, waiting_bytes: int) -> None:
        self._wire = wire
        self._backlog = Backlog()
        self._room = Room(messages=waiting_messages, size=waiting_bytes)
        self._tasks: set[asyncio.Task[bool]] = set()
        self._planned = False
        self._choice = Choice()
        self._answered_at = 0.0  # the group before
        self._batch_events = PUBLISH_BATCH.labels(wire.stream)

    async def submit(self, items: Sequence[Waiting]) -> None:
        """Queue facts of a call. Raises TimeoutError when there is no room for them until its deadline."""
        for item in items:
            if not self._room.enter_now(item.size):
                async with asyncio.timeout_at(item.call.deadline):
                    await self._room.enter(item.size)
            item.submitted = True
            self._backlog.add(item)
            self._plan()

    def abandon(self, items: Sequence[Waiting]) -> None:
        """Their caller leaves: what has no outcome is not sent any more."""
        for item in items:
            if item.live:
                item.give_up()
                if item.submitted:
                    self._backlog.remove(item)
                    self._room.leave(item.size)

    def _settle(self, item: Waiting, outcome: Ack | Exception) -> None:
        if item.live:
            item.settle(outcome)
            self._room.leave(item.size)

    async def drain(self) -> None:
        """Wait until nothing is under way; callers' bounds end that."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _plan(self) -> None:
        # What a group takes is told when it begins, in the loop's next turn, so that whoever is ready now
        # joins. Lingering longer was measured slower.
        if self._backlog and not self._planned and len(self._tasks) < DEPTH:
            self._planned = True
            task = asyncio.create_task(self._next())
            self._tasks.add(task)
            task.add_done_callback(self._finished)

    async def _next(self) -> bool:
        """Carry the next group; whether there was any: what waits may be of entities that are under way."""
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

    async def _carry(self, batch: list[Waiting]) -> None:
        try:
            await self._all(batch)
        except Exception as exc:  # a bug of ours: no caller may wait for ever, no entity stay blocked
            logger.exception("publishing to %s failed", self._wire.stream)
            for item in batch:
                self._settle(item, exc)

    async def _all(self, batch: Sequence[Waiting]) -> None:
        pause = _FIRST_PAUSE
        while self._goes_as_batch(batch := _in_time(batch)):
            began = time.perf_counter()
            try:
                acks = await self._wire.batch(batch, _until(batch))
            except InDoubt as doubt:
                pause = await _rest(pause, doubt)
            except (BatchRefused, Refused):
                break
            else:
                self._took(batch, began, batch=True)
                self._batch_events.observe(len(batch))
                for item, ack in zip(batch, acks, strict=True):
                    self._settle(item, ack)
                return
        await self._singly(batch)

    async def _singly(self, batch: Sequence[Waiting]) -> None:
        """Single requests, the first fact of each entity at a time: each waits for the one before it."""
        pause = _FIRST_PAUSE
        while leading := _leading(batch):
            began = time.perf_counter()
            doubt = await self._wire.each(leading, _until(leading), self._settle)
            if doubt is None:
                self._took(leading, began, batch=False)
            else:
                pause = await _rest(pause, doubt)

    def _took(self, group: Sequence[Waiting], began: float, *, batch: bool) -> None:
        now = time.perf_counter()  # the loop's own clock may count whole milliseconds
        # The server does one group after the other, so the one before this took part of its time.
        self._choice.took(len(group), now - max(began, self._answered_at), batch=batch)
        self._answered_at = now

    def _goes_as_batch(self, batch: Sequence[Waiting]) -> bool:
        if len(batch) > CHAIN and max(Counter([item.entity for item in batch]).values()) > CHAIN:
            return True
        return self._choice.batch(len(batch))


def _leading(batch: Sequence[Waiting]) -> list[Waiting]:
    """The first fact of each entity that still has a caller waiting, of as many as may go side by side."""
    first: dict[Entity, Waiting] = {}
    for item in _in_time(batch):
        first.setdefault(item.entity, item)
    return list(first.values())[:MANY]


def _in_time(batch: Sequence[Waiting]) -> list[Waiting]:
    """What may still be sent: the outcome is open, and the caller's time is not up."""
    now = asyncio.get_running_loop().time()
    return [item for item in batch if item.live and item.call.deadline > now]


def _until(batch: Sequence[Waiting]) -> float:
    """How long one try may take: an answer is of use only while a caller waits for it."""
    now = asyncio.get_running_loop().time()
    return min(_TRY, max([item.call.deadline for item in batch]) - now)


async def _rest(pause: float, doubt: InDoubt) -> float:
    logger.debug("in doubt, trying again: %s", doubt)
    await asyncio.sleep(pause)
    return min(pause * 1.5, _LONGEST_PAUSE)
