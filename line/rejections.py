"""Rejections that a projection announced: a hint for writers that wait, confirmed by the read model."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from schemas.positions import Position
from schemas.validation import InvalidFact

MOST_ANNOUNCED: Final = 1_000
"""Sequences of a stream in one announcement; the rest is not looked for."""
_REMEMBERED: Final = 10_000


class Rejections:
    """The places at which a projection may have rejected facts, and a way to ask why."""

    def __init__(self) -> None:
        self._announced: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._unannounced: dict[str, int] = {}  # `<stream>/<partition>` → sequence

    def note(self, announced: Mapping[str, Iterable[int]]) -> None:
        """Remember the sequences of an announcement, by stream."""
        for stream, sequences in announced.items():
            self._announced |= dict.fromkeys((stream, sequence) for sequence in sequences)
        while len(self._announced) > _REMEMBERED:
            self._announced.popitem(last=False)

    def note_unannounced(self, reached: Iterable[tuple[str, int]]) -> None:
        """Remember up to which sequences an announcement may be missing: none was heard when they came."""
        self._unannounced.update(reached)

    async def why(
        self, pool: AsyncConnectionPool[Connection], projection: str, positions: Sequence[Position]
    ) -> dict[Position, InvalidFact]:
        """Return why facts at some positions were rejected; nothing for what cannot be told now."""
        asked = {(one.stream, one.sequence): one for one in positions if self._may_have(one)}
        if not asked:
            return {}
        streams, sequences = zip(*asked, strict=True)
        try:
            async with pool.connection(timeout=1) as conn:
                query = engine_queries(projection)["rejections-at"]
                values = {"streams": list(streams), "sequences": list(sequences)}
                cursor = await conn.execute(query, values, prepare=True)
                return {
                    asked[stream, sequence]: InvalidFact(reason, details)
                    async for stream, sequence, reason, details in cursor
                }
        except (psycopg.Error, PoolTimeout):
            return {}  # the write is stored, and its success is no lie: it is found among the rejected

    def _may_have(self, one: Position) -> bool:
        unannounced = self._unannounced.get(f"{one.stream}/{one.partition}", -1)
        return (one.stream, one.sequence) in self._announced or one.sequence <= unannounced
