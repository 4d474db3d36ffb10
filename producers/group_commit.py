"""Group commit for one stream: what waits when a group's acks are back is the next group."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from producers.backlog import Backlog, Entity, Waiting
from producers.outcomes import Ack, Refused
from producers.requests import InDoubt
from producers.room import Room
from producers.wire import BatchRefused, Wire
from runtime.metrics import PUBLISH_BATCH

logger = logging.getLogger("foldline.publisher")

DEPTH: Final = 2
"""Groups in flight. They never share an entity, so its facts keep their order."""

BATCH_MESSAGES: Final = 1000  # the server's own limit
BATCH_BYTES: Final = 4 << 20
SINGLES: Final = 64
"""Single requests side by side, of that many entities: for a refused batch, and for a small one.

The server stages each atomic batch in a directory of its own: that takes 0.5 ms on one file system and 8 ms
on another (ext4 with discard), where this many single requests are done sooner; see docs/decisions.md.
"""

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
        self._tasks: set[asyncio.Task[None]] = set()
        self._planned = False
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
        while self._tasks or self._planned:
            if self._tasks:
                await asyncio.wait(self._tasks)
            else:
                await asyncio.sleep(0)

    def _plan(self) -> None:
        # In the loop's next turn, so that whoever is ready now joins. Lingering longer was measured slower.
        if not self._planned and len(self._tasks) < DEPTH:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._planned = False
        while len(self._tasks) < DEPTH:
            batch = self._backlog.take(messages=BATCH_MESSAGES, size=BATCH_BYTES)
            if not batch:
                return
            task = asyncio.create_task(self._carry(batch))
            self._tasks.add(task)
            task.add_done_callback(partial(self._finished, batch))

    def _finished(self, batch: list[Waiting], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._backlog.release(batch)
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
        while _pays(batch := [item for item in batch if item.live]):
            try:
                acks = await self._wire.batch(batch, _until(batch))
            except InDoubt as doubt:
                pause = await _rest(pause, doubt)
            except (BatchRefused, Refused):
                break
            else:
                self._batch_events.observe(len(batch))
                for item, ack in zip(batch, acks, strict=True):
                    self._settle(item, ack)
                return
        await self._singly(batch)

    async def _singly(self, batch: Sequence[Waiting]) -> None:
        """Single requests, the first fact of each entity at a time: each waits for the one before it."""
        pause = _FIRST_PAUSE
        while leading := _leading(batch):
            doubt = await self._wire.each(leading, _until(leading), self._settle)
            if doubt is not None:
                pause = await _rest(pause, doubt)


def _leading(batch: Sequence[Waiting]) -> list[Waiting]:
    """The first fact of each entity that still has a caller waiting, of as many as may go side by side."""
    first: dict[Entity, Waiting] = {}
    for item in batch:
        if item.live:
            first.setdefault(item.entity, item)
    return list(first.values())[:SINGLES]


def _by_entity(batch: Sequence[Waiting]) -> dict[Entity, list[Waiting]]:
    queues: dict[Entity, list[Waiting]] = {}
    for item in batch:
        queues.setdefault(item.entity, []).append(item)
    return queues


def _pays(batch: Sequence[Waiting]) -> bool:
    """Whether one atomic batch is likely done before single requests are."""
    if len(batch) > SINGLES:
        return True
    return len(batch) > CHAIN and max(map(len, _by_entity(batch).values())) > CHAIN


def _until(batch: Sequence[Waiting]) -> float:
    """How long one try may take: an answer is of use only while a caller waits for it."""
    now = asyncio.get_running_loop().time()
    return min(_TRY, max([item.call.deadline for item in batch]) - now)


async def _rest(pause: float, doubt: InDoubt) -> float:
    logger.debug("in doubt, trying again: %s", doubt)
    await asyncio.sleep(pause)
    return min(pause * 1.5, _LONGEST_PAUSE)
