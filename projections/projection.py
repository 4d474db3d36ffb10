"""The contract of a projection: what the engine asks of a read model.

A projection is pure: its rows are a function of the events, in the order of each partition. It knows no
clock, no randomness and nothing but its own rows. Everything durable, duplicated, rejected or concurrent is
the engine's.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import ClassVar, Generic, Self, TypeVar

from projections.recorded import Recorded
from projections.table import Table, schema_sql
from runtime.database.connections import Connection
from schemas.positions import Beginning
from schemas.streams import Stream

State = TypeVar("State")
Changes = TypeVar("Changes")
Key = tuple[str, str]
"""(site, id) of an entity: what is ordered, parked and rebuilt as a whole."""
StateKey = tuple[str, ...]
"""The key of a state: the key of its entity, or that and a part of it."""


class TooMuchAtOnce(Exception):
    """The states that a batch needs are too large to be in memory together."""


class Projection(ABC, Generic[State, Changes]):
    """One read model.

    The engine calls, within one transaction and for partitions it holds, for each of its batches: `load` for
    the entities it does not remember, `fold` for each event in the order of the line, `write`, `settle`; and
    before the commit once `store`. A state that `fold` was given is never changed in place: the engine may
    remember it if the batch fails.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    """The package that holds its SQL."""
    version: ClassVar[int]
    """Raised with every change that makes the same line give other rows."""
    streams: tuple[Stream, ...]
    entity: ClassVar[str]
    """The subject's token of what it is about: `session`."""
    facts: ClassVar[frozenset[str]]
    """The facts of the entity that it folds; the engine passes over others. A new one raises the version."""
    latest_only: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Tables filled from a stream that keeps only the newest message of a subject: table → stream."""
    aggregates: ClassVar[frozenset[str]] = frozenset()
    """Tables whose rows are about many entities."""
    bookkeeping: ClassVar[frozenset[str]] = frozenset()
    """Tables that no answer depends on and that may differ between two folds of the same line."""

    def __init__(self, schema: str | None = None) -> None:
        self.schema = schema or self.name

    def in_schema(self, schema: str) -> Self:
        """Return the same projection, folding into another schema."""
        same = type(self)(schema)
        same.streams = self.streams
        return same

    def reading(self, *streams: Stream) -> Self:
        """Return the same projection, folding other streams: those of a centre."""
        same = type(self)(self.schema)
        same.streams = streams
        return same

    def schema_sql(self) -> str:
        """Return the statements that create its tables in `self.schema`."""
        return schema_sql(self.package, self.tables, self.schema)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables whose columns are declared."""
        return ()

    async def prepare(self, conn: Connection) -> None:
        """Prepare a connection: before the first `write` on it, and again after a failure."""
        return

    @abstractmethod
    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        """Return the keys of the states that folding this event looks at, so that they are loaded."""

    @abstractmethod
    async def load(self, conn: Connection, keys: Iterable[StateKey]) -> dict[StateKey, State]:
        """Return the states that exist among those asked for.

        Raises TooMuchAtOnce, but not for the states of one event: a batch comes again in halves.
        """

    @abstractmethod
    def weight(self, state: State) -> int:
        """Return roughly the bytes of a state that was loaded or written: they bound the cache of states."""

    @abstractmethod
    def changes(self) -> Changes:
        """Return a new, empty set of changes, one a batch."""

    @abstractmethod
    def fold(self, states: dict[StateKey, State | None], event: Recorded, changes: Changes) -> None:
        """Apply one event: put the entity's new state into `states`, rows into `changes`.

        Raises InvalidFact to have the event rejected; then neither argument has been changed.
        """

    @abstractmethod
    async def write(self, conn: Connection, changes: Changes) -> None:
        """Write what a batch changes beside states. Runs inside its transaction."""

    async def settle(self, conn: Connection, states: dict[StateKey, State | None], changes: Changes) -> None:
        """Complete what only rows can tell, after `write`: replace in `states` what `fold` left open."""
        return

    @abstractmethod
    async def store(self, conn: Connection, states: Mapping[StateKey, State | None]) -> None:
        """Write the row of each state, at the end of the transaction. A state that is None has no row."""

    async def carry_over(self, conn: Connection, source: str, first_sequences: Mapping[str, int]) -> int:
        """Take over what the line no longer holds from the schema `source` into this one, which is empty.

        `first_sequences` has the first sequence of each stream. Answers the number of entities. Runs inside
        the transaction that creates the generation; what is folded afterwards must not count again.
        """
        return 0

    async def is_aged(self, conn: Connection, key: Key, first_sequences: Mapping[str, int]) -> bool:
        """Whether some of an entity has left the line by its age: then it cannot be folded anew."""
        return False

    async def beginning(self, conn: Connection, key: Key) -> Beginning | None:
        """Return where an entity begins; None if there is none, or if the read model cannot tell."""
        return None

    async def begun_before(
        self, conn: Connection, first: int, *, site: str | None, accepted: int, since: datetime | None
    ) -> list[Beginning]:
        """Return the oldest entities that begin before the sequence `first`, which the line no longer holds.

        Only those of `site` (None: any), and none that begins before `accepted`. Where events go by age only
        an entity whose first event was stored `since` then. Empty if the read model cannot tell.
        """
        return []

    async def lacking(
        self, conn: Connection, source: str, reached: Mapping[int, int], *, site: str | None
    ) -> list[Beginning]:
        """Return the entities of the schema `source` that this one lacks, or begins later, oldest first.

        Only those of `site` (None: any) that begin at or before what is folded, `reached` by partition.
        """
        return []

    async def withdraw(self, conn: Connection, key: Key) -> None:
        """Take back what an entity added to rows it shares with others, before its own are deleted."""
        return
