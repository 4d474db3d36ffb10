"""Families: everything that is declared of one kind of entity, from which the rest of the line follows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from schemas.streams import Stream


class Body(Protocol):
    """The validated body of a fact."""

    @property
    def timestamp(self) -> datetime | None:
        """When the fact happened; None if the body does not say."""


def drop_timestamp(document: Any) -> None:
    """Remove the time from a parsed body that has it as `timestamp`."""
    document.pop("timestamp", None)


@dataclass(frozen=True, slots=True)
class FactType:
    """One fact of a family. `parse` validates a body and raises InvalidFact or pydantic's ValidationError.

    `model` documents the body; `body` is the body's type for schemas, in general the model itself.
    `unreadable` is what a body that cannot be read counts as: only for a stream that keeps the newest message
    of a subject, where an ignored one would have erased the one before it.
    """

    name: str
    stream: Stream
    parse: Callable[[bytes], Body]
    model: type
    body: Any
    unreadable: Body | None = None
    drop_times: Callable[[Any], None] = drop_timestamp
    """Removes from a parsed body what a retry may say otherwise: when it happened, and what its message id
    says already. May raise LookupError, TypeError and AttributeError for an invalid body."""


Address = tuple[str | None, str, str]
"""What a body says of its own subject: site (None if it leaves that to the producer), entity id and fact."""


@dataclass(frozen=True, slots=True)
class BodyAddress:
    """How the address of a fact is read from its body, for a family whose stored subjects have slots.

    `guess` finds the entity's id in a parsed body that may be invalid; it may raise LookupError, TypeError
    and AttributeError.
    """

    read: Callable[[Any], Address]
    guess: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An entity with its facts.

    The id of an entity is in its subjects. With a `body_address` it is in the bodies as well, and stored
    subjects have one of 4,096 slots instead: for entities that come and go by the million, since the server
    keeps every subject in memory.
    """

    entity: str
    """The subject's token: `session`."""
    facts: tuple[FactType, ...]
    body_address: BodyAddress | None = None
    body_key: Callable[[Any], str | None] | None = None
    """How the idempotency key is read from a validated body, if bodies may carry one."""
    id_note: str = ""
    """What users need to know of its ids, a sentence."""

    @property
    def slotted(self) -> bool:
        """Whether stored subjects have a slot in place of the id."""
        return self.body_address is not None

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that keep its facts, in the order of these."""
        return tuple(dict.fromkeys(fact.stream for fact in self.facts))
