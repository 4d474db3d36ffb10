"""Parked entities: list them, fold what waits for one, or skip the event that one is stuck at."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import psycopg

from consumers.control.partition_lock import with_partition_locked
from consumers.engine.parking import waiting
from consumers.engine.projector import Projector
from projections.projection import Key, Projection
from runtime.database.connections import Connection
from runtime.database.engine.operator_reason import checked_reason
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from schemas.subjects import home_of

_QUERIES: Final = engine_queries()


@dataclass(frozen=True, slots=True)
class ParkedEntity:
    """One entity and the event it is stuck at; `waiting` counts the events from that one on."""

    site: str
    id: str
    partition: int
    stream: str
    sequence: int
    error: str
    waiting: int

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


async def parked_entities(conn: Connection, projection: Projection[Any, Any]) -> list[ParkedEntity]:
    """All parked entities of a projection, by site and id."""
    queries = engine_queries(projection.schema)
    return [ParkedEntity(*row) async for row in await conn.execute(queries["parked-summary"])]


async def retry_parked(conn: Connection, projection: Projection[Any, Any], key: Key, partitions: int) -> int:
    """Fold what waits for an entity, in order; returns how many events took effect.

    Raises Problem if it is not parked, or if a fold raises again: then it stays as it was.
    """
    queries = engine_queries(projection.schema)

    async def unpark(_: dict[str, int]) -> int:
        events = await waiting(conn, queries, key)
        if not events:
            raise _not_parked(projection, key)
        await conn.execute(queries["unpark"], {"site": key[0], "id": key[1]})
        return await replay(projection, conn, events, key)

    return await with_partition_locked(conn, projection.schema, home_of(key[1], partitions), unpark)


async def skip_parked_event(
    conn: Connection, projection: Projection[Any, Any], key: Key, partitions: int, reason: str
) -> int:
    """Skip the event an entity is stuck at, in every fold of this projection; then fold what waits.

    The event is listed among the rejected ones, as skipped. Returns how many of the others took effect.
    Raises Problem, and then nothing is decided.
    """
    because = checked_reason("skipping an event", reason)
    found = [one for one in await parked_entities(conn, projection) if (one.site, one.id) == key]
    if not found:
        raise _not_parked(projection, key)
    values = {"projection": projection.name, "stream": found[0].stream, "seq": found[0].sequence}
    async with conn.transaction():
        await conn.execute(_QUERIES["skip"], values | {"reason": because})
        return await retry_parked(conn, projection, key, partitions)


async def replay(projection: Projection[Any, Any], conn: Connection, events: list[Any], key: Key) -> int:
    """Fold events of one entity within the caller's transaction; returns how many took effect.

    Raises Problem that names the fold's error.
    """
    try:
        return await Projector(projection).replay(conn, events)
    except (Problem, OSError, psycopg.errors.FeatureNotSupported):
        raise  # of the last one: the connection keeps an old plan, and whoever lent it replaces it
    except Exception as exc:
        if conn.broken or conn.closed:
            raise
        raise Problem(
            f"{key[1]} at {key[0]}: the fold raises again: {type(exc).__name__}: {exc}; nothing has changed: "
            f"mend the program and try again, or skip a parked entity's event with `foldline parked skip`"
        ) from exc


def _not_parked(projection: Projection[Any, Any], key: Key) -> Problem:
    return Problem(
        f"{key[1]} at {key[0]} is not parked in {projection.name}: `foldline parked` lists what is"
    )
