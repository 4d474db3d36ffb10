"""Facts waiting for their batch, in the order of their entity."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from producers.outcomes import Ack
from schemas.facts import Fact

Entity = tuple[str, str, str]


@dataclass(slots=True, eq=False, kw_only=True)
class Waiting:
    """One caller's fact. Its future is the truth: once it is done, nothing more may be sent for it."""

    fact: Fact
    stream: str
    expected_last: int | None
    headers: str  # the fact's, as lines of a header block
    size: int  # body and headers, bytes
    deadline: float  # the caller's bound, on the loop's clock
    answer: asyncio.Future[Ack]
    alone: bool = False  # would get a whole batch refused
    entity: Entity = field(init=False)

    def __post_init__(self) -> None:
        subject = self.fact.subject
        self.entity = (subject.site, subject.entity, subject.id)

    @property
    def live(self) -> bool:
        """Whether the caller still waits."""
        return not self.answer.done()

    def resolve(self, ack: Ack) -> None:
        if self.live:
            self.answer.set_result(ack)

    def fail(self, error: Exception) -> None:
        if self.live:
            self.answer.set_exception(error)


class Backlog:
    """Queues by entity. An entity whose facts are under way is busy: its later ones wait for those."""

    def __init__(self) -> None:
        self._queues: dict[Entity, dict[Waiting, None]] = {}
        self._busy: set[Entity] = set()

    def add(self, item: Waiting) -> None:
        self._queues.setdefault(item.entity, {})[item] = None

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
            room -= sum(item.size for item in taken)
            self._busy.add(entity)
            for item in taken:
                del queue[item]
            del self._queues[entity]
            if queue:
                self._queues[entity] = queue  # behind the others: no entity starves them
            if taken[0].alone:
                break
        return batch

    def release(self, batch: Iterable[Waiting]) -> None:
        self._busy.difference_update(item.entity for item in batch)


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
