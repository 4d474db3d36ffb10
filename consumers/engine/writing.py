"""Writing: the rows of a folded batch, inside its transaction, all but those of states."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from consumers.engine.folding import Folded
from consumers.engine.parking import Parking
from projections.projection import Changes, Projection, State
from projections.recorded import Recorded, Rejection
from runtime.database.connections import Connection
from runtime.database.queries import Queries, columns_of
from schemas.registry import DECLARED

_LATEST_ONLY: Final = DECLARED.latest_only


class Writing:
    """Writes what a batch adds to a read model: its rows, message ids, rejected events, parked entities."""

    def __init__(self, projection: Projection[Any, Any], queries: Queries, parking: Parking) -> None:
        self._projection = projection
        self._queries = queries
        self._parking = parking

    async def write(self, writer: Connection, folded: Folded[State, Changes]) -> None:
        """Write everything but the rows of states. Raises psycopg.Error."""
        outcome = folded.outcome
        await self._projection.write(writer, folded.changes)
        await self._projection.settle(writer, folded.states, folded.changes)
        await self._forget_expired(writer, outcome.expired.values())
        await folded.ids.write(writer)
        await self._record(writer, outcome.rejections)
        await self._parking.write(writer, outcome.parked)

    async def _forget_expired(self, writer: Connection, expired: Iterable[Recorded]) -> None:
        if rows := [(*event.key, event.stream, event.sequence) for event in expired]:
            await writer.execute(self._queries["forget-expired"], columns_of(rows))

    async def _record(self, writer: Connection, rejections: Sequence[Rejection]) -> None:
        if not rejections:
            return
        kept = {}  # of a subject whose newest message alone counts, the newest is noted
        for rejection in rejections:
            event = rejection.event
            kept[event.stream, event.subject if event.stream in _LATEST_ONLY else event.sequence] = rejection
        rows = [_rejected_row(rejection) for rejection in kept.values()]
        if replaced := [(row[1], *row[3:6]) for row in rows if row[1] in _LATEST_ONLY]:
            await writer.execute(self._queries["forget-replaced"], columns_of(replaced))
        await writer.execute(self._queries["record-rejected"], columns_of(rows))


def _rejected_row(rejection: Rejection) -> tuple[Any, ...]:
    event = rejection.event
    site, id_ = event.key() or (None, None)
    place = (event.partition, event.stream, event.sequence, site, id_, event.subject.replace("\x00", ""))
    return (*place, rejection.reason, rejection.details, event.stored_at)
