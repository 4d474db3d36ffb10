"""What to do about parked entities: list them, fold what waits, pass over the event that cannot be folded."""

from dataclasses import asdict, dataclass
from typing import Any, Final

import psycopg

from consumers.control.partition_lock import within
from consumers.engine.parking import waiting
from consumers.engine.projector import Projector
from projections.projection import Key, Projection
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from schemas.subjects import home_of

_QUERIES: Final = engine_queries()


@dataclass(frozen=True, slots=True)
class ParkedEntity:
    """One entity and the event it got stuck at; `waiting` counts the events from that one on."""

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
    """All that are parked."""
    queries = _queries(projection)
    return [ParkedEntity(*row) async for row in await conn.execute(queries["parked-summary"])]


async def retry(conn: Connection, projection: Projection[Any, Any], key: Key, partitions: int) -> int:
    """Fold what waits for an entity, in order; how many events took effect.

    Raises Problem if it is not parked, or if a fold raises again: then it stays as it was.
    """
    queries = _queries(projection)

    async def replay(_: dict[str, int]) -> int:
        events = await waiting(conn, queries, key)
        if not events:
            raise Problem(f"{_name(key)} is not parked in {projection.name}")
        await conn.execute(queries["unpark"], {"site": key[0], "id": key[1]})
        return await replayed(projection, conn, events, key)

    return await within(conn, projection.schema, home_of(key[1], partitions), replay)


async def skip(
    conn: Connection, projection: Projection[Any, Any], key: Key, partitions: int, reason: str
) -> int:
    """Pass over the event an entity is stuck at, in every fold of this projection; then fold what waits.

    The event is listed among the rejected ones, as skipped. Raises Problem, and then nothing is decided.
    """
    if not reason.strip() or "\x00" in reason:
        raise Problem("passing an event over needs a reason, for whoever finds it later")
    found = [one for one in await parked_entities(conn, projection) if (one.site, one.id) == key]
    if not found:
        raise Problem(f"{_name(key)} is not parked in {projection.name}")
    values = {"projection": projection.name, "stream": found[0].stream, "seq": found[0].sequence}
    async with conn.transaction():
        await conn.execute(_QUERIES["skip"], values | {"reason": reason.strip()})
        return await retry(conn, projection, key, partitions)


async def replayed(projection: Projection[Any, Any], conn: Connection, events: list[Any], key: Key) -> int:
    """Fold events of one entity within the transaction. Raises Problem that names the fold's error."""
    try:
        return await Projector(projection).replay(conn, events)
    except (Problem, OSError, psycopg.errors.FeatureNotSupported):
        raise  # of the last one: the connection keeps an old plan, and whoever lent it replaces it
    except Exception as exc:
        if conn.broken or conn.closed:
            raise
        raise Problem(f"{_name(key)}: the fold raises again: {type(exc).__name__}: {exc}") from exc


def _queries(projection: Projection[Any, Any]) -> Any:
    return engine_queries(projection.schema)


def _name(key: Key) -> str:
    return f"{key[1]} at {key[0]}"
