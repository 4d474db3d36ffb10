"""The contract of a projection: what the engine asks of a read model.

A projection is pure: its rows are a function of the events, in the order of each partition. It knows no
clock, no randomness and nothing but its own rows. Everything durable, duplicated, rejected or concurrent is
the engine's.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import ClassVar, Generic, Self, TypeVar

from projections.recorded import Recorded
from runtime.database.connections import Connection
from schemas.streams import Stream

State = TypeVar("State")
Changes = TypeVar("Changes")
Key = tuple[str, str]
"""(site, id) of an entity: what is ordered, parked and rebuilt as a whole."""
StateKey = tuple[str, ...]
"""What a state is kept under: the key of its entity, or that and a part of it."""


class Projection(ABC, Generic[State, Changes]):
    """One read model.

    The engine calls, within one transaction and for partitions it holds, for each of its batches: `load` for
    the entities it does not remember, `fold` for each event in the order of the line, `write`; and before the
    commit once `store`. A state that `fold` was given is never changed in place: it may be remembered if the
    batch fails.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    """Raised with every change that makes the same line give other rows."""
    streams: tuple[Stream, ...]
    entity: ClassVar[str]
    """The subject's token of what it is about: `session`."""
    levels: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Tables filled from a stream that keeps only the newest message of a subject: table → stream."""
    aggregates: ClassVar[frozenset[str]] = frozenset()
    """Tables whose rows are about many entities."""
    bookkeeping: ClassVar[frozenset[str]] = frozenset()
    """Tables that no answer depends on and that may differ between two folds of the same line."""

    def __init__(self, schema: str | None = None) -> None:
        self.schema = schema or self.name

    def in_schema(self, schema: str) -> Self:
        """The same projection, folding into another schema."""
        same = type(self)(schema)
        same.streams = self.streams
        return same

    @abstractmethod
    def schema_sql(self) -> str:
        """The statements that create its tables in `self.schema`."""

    async def prepare(self, conn: Connection) -> None:
        """Before the first `write` on a connection, and before the first one after a failure."""
        return

    @abstractmethod
    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        """The states that folding this event looks at, so that they must be loaded."""

    @abstractmethod
    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, State]:
        """Those of the states that exist."""

    @abstractmethod
    def weight(self, state: State) -> int:
        """Bytes of a state that was loaded or written, roughly: what bounds the memory spent on states."""

    @abstractmethod
    def changes(self) -> Changes:
        """A new, empty set of changes, one per batch."""

    @abstractmethod
    def fold(self, states: dict[StateKey, State | None], event: Recorded, changes: Changes) -> None:
        """Apply one event: put the entity's new state into `states`, rows into `changes`.

        Raises InvalidFact to have the event rejected; then neither argument has been changed.
        """

    @abstractmethod
    async def write(self, conn: Connection, changes: Changes) -> None:
        """Write what a batch changes beside states. Runs inside its transaction."""

    @abstractmethod
    async def store(self, conn: Connection, states: Mapping[StateKey, State | None]) -> None:
        """Write the row of each state that there is, at the end of the transaction. None: it has no row."""

    async def carry(self, conn: Connection, source: str, firsts: Mapping[str, int]) -> int:
        """Take over what the line no longer holds from the schema `source` into this one, which is empty.

        `firsts`: the first sequence of each stream. Answers how many entities. Runs inside the transaction
        that creates the generation; what is folded afterwards must not count again.
        """
        return 0

    async def is_aged(self, conn: Connection, key: Key, firsts: Mapping[str, int]) -> bool:
        """Whether some of an entity has left the line by its age: then it cannot be folded anew."""
        return False

    async def withdraw(self, conn: Connection, key: Key) -> None:
        """Before an entity's rows are deleted: take back what it added to rows it shares with others."""
        return
