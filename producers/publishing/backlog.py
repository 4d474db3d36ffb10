"""Facts waiting for their batch, in the order of their entity."""

import asyncio
from collections.abc import Iterable
from typing import Final

from producers.publishing.outcomes import Ack, BusUnavailable
from schemas.facts import Fact

Entity = tuple[str, str, str]

_TOO_LATE: Final = "the bus did not acknowledge in time"


class Call:
    """Somebody who waits, until `deadline` on the loop's clock, for what becomes of some facts.

    One future for all of them: a future for each costs more than writing the fact to the line.
    """

    __slots__ = ("_left", "deadline", "done")

    def __init__(self, facts: int, deadline: float) -> None:
        self.deadline = deadline
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = facts

    def count(self) -> None:
        """The outcome of one of them is known."""
        self._left -= 1
        if not self._left:
            self.end()

    def end(self) -> None:
        """Whoever waits goes on, with or without all outcomes."""
        if not self.done.done():
            self.done.set_result(None)


class Waiting:
    """One fact of a call. Its outcome is the truth: once there is one, nothing more may be sent for it."""

    __slots__ = (
        "alone",
        "call",
        "entity",
        "expected_last",
        "fact",
        "headers",
        "outcome",
        "size",
        "submitted",
    )

    def __init__(self, fact: Fact, call: Call, headers: str, size: int, expected_last: int | None) -> None:
        self.fact = fact
        self.call = call
        self.headers = headers  # the fact's, as lines of a header block
        self.size = size  # body and headers, bytes
        self.expected_last = expected_last
        self.entity: Entity = fact.subject.address
        self.outcome: Ack | Exception | None = None
        self.alone = False  # would get a whole batch refused
        self.submitted = False  # takes room

    @property
    def live(self) -> bool:
        """Whether its outcome is open: the caller waits for it."""
        return self.outcome is None

    def settle(self, outcome: Ack | Exception) -> None:
        """Of a live one: what became of it."""
        self.outcome = outcome
        self.call.count()

    def give_up(self) -> None:
        """Of a live one: the caller left. It is not sent any more; what is under way stays in doubt."""
        self.outcome = BusUnavailable(_TOO_LATE)


class Backlog:
    """Queues by entity. An entity whose facts are under way is busy: its later ones wait for those."""

    def __init__(self) -> None:
        self._queues: dict[Entity, dict[Waiting, None]] = {}
        self._busy: set[Entity] = set()

    def __bool__(self) -> bool:
        """Whether anything waits, if only for its entity."""
        return bool(self._queues)

    def add(self, item: Waiting) -> None:
        queue = self._queues.get(item.entity)
        if queue is None:
            self._queues[item.entity] = {item: None}
        else:
            queue[item] = None

    def remove(self, item: Waiting) -> None:
        """Forget a fact whose caller left; one already taken is not here any more."""
        queue = self._queues.get(item.entity)
        if queue is not None and item in queue:
            del queue[item]
            if not queue:
                del self._queues[item.entity]

    def take(self, *, messages: int, size: int) -> list[Waiting]:
        """The next batch, of entities that are not busy; they are busy from here until `release`.

        At least one fact if any may be sent, otherwise within both bounds.
        """
        batch: list[Waiting] = []
        room = size
        for entity in list(self._queues):
            if len(batch) >= messages or room <= 0:
                break
            if entity in self._busy:
                continue
            queue = self._queues[entity]
            taken = _leading(queue, messages - len(batch), room, first=not batch)
            if not taken:
                continue
            batch += taken
            self._busy.add(entity)
            del self._queues[entity]
            if len(taken) < len(queue):
                for item in taken:
                    del queue[item]
                self._queues[entity] = queue  # behind the others: no entity starves them
            for item in taken:
                room -= item.size
            if taken[0].alone:
                break
        return batch

    def release(self, batch: Iterable[Waiting]) -> None:
        self._busy.difference_update([item.entity for item in batch])


def _leading(queue: Iterable[Waiting], messages: int, size: int, *, first: bool) -> list[Waiting]:
    """How much of one entity's queue may join a batch that is empty if `first`."""
    taken: list[Waiting] = []
    ids: set[str] = set()
    for item in queue:
        if item.fact.message_id in ids:
            item.alone = True
        if item.alone:
            return [item] if first and not taken else taken
        # The server checks an expected sequence against what is stored, not against the batch before it.
        if item.expected_last is not None and taken:
            return taken
        size -= item.size
        if len(taken) >= messages or (size < 0 and (taken or not first)):
            return taken
        taken.append(item)
        ids.add(item.fact.message_id)
        if item.expected_last is not None:
            return taken
    return taken
