"""The usual projection: one table with one row an entity, and nothing beside it."""

from abc import abstractmethod

from msgspec.structs import replace

from projections.projection import Key, StateKey
from projections.recorded import Recorded
from projections.state_projection import StateProjection
from projections.state_table import Stored
from runtime.database.connections import Connection
from schemas.facts import EXPIRED


class EntityProjection(StateProjection[Stored, set[Key]]):
    """Folds each entity into one row of `table`.

    Its changes are the entities that expired: where entities can, `facts` has that fact as well.
    """

    @abstractmethod
    def after(self, before: Stored | None, event: Recorded) -> Stored:
        """Return the state after an event; without a state before, this is the first that counts.

        `before` is a copy that may be changed, but what it refers to may not. Raises InvalidFact to have the
        event rejected.
        """

    def needs(self, event: Recorded) -> tuple[StateKey, ...]:
        return () if event.subject.fact == EXPIRED else (event.key,)

    def changes(self) -> set[Key]:
        return set()

    def fold(self, states: dict[StateKey, Stored | None], event: Recorded, changes: set[Key]) -> None:
        if event.subject.fact == EXPIRED:
            states[event.key] = None
            changes.add(event.key)
            return
        before = states.get(event.key)
        states[event.key] = self.after(None if before is None else replace(before), event)

    async def write(self, conn: Connection, changes: set[Key]) -> None:
        """Delete the rows of entities that expired."""
        if changes:
            await self._states.delete(conn, changes)
