"""Reads of the liveness reactor: hung sessions, and the open sessions of a machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from projections.projection import Key
from runtime.database.connections import Connection
from runtime.database.queries import load_queries
from schemas.sessions.streams import SESSIONS

_QUERIES: Final = load_queries("projections.sessions", "liveness.sql", schema="sessions")


@dataclass(frozen=True, slots=True)
class Hang:
    """The hang of a session that neither crashed nor ended. Times are store times."""

    key: Key
    hung_seq: int
    hung_stored_at: datetime
    last_seq: int


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session of a machine, neither crashed nor ended, with its newest fact."""

    key: Key
    last_seq: int


async def hung_sessions(conn: Connection, keys: Iterable[Key]) -> list[Hang]:
    """Return the hang of each session among `keys` that is hung."""
    pairs = list(keys)
    cursor = await conn.execute(
        _QUERIES["hung-sessions"], {"sites": [site for site, _ in pairs], "ids": [id_ for _, id_ in pairs]}
    )
    return [Hang((site, id_), *rest) async for site, id_, *rest in cursor]


async def sessions_of_machine(
    conn: Connection, machine_id: str, *, created: Key, created_seq: int
) -> list[OpenSession]:
    """Return the machine's open sessions that are older than the one `created` now."""
    site, new_id = created
    cursor = await conn.execute(
        _QUERIES["sessions-of-machine"],
        {"site": site, "new_id": new_id, "machine_id": machine_id, "before": created_seq},
    )
    return [OpenSession((site, id_), last_seq) async for id_, last_seq in cursor]


async def outlived(conn: Connection, key: Key, expired_seq: int) -> bool:
    """Whether the `expired` fact at `expired_seq` had no effect: it was rejected, or its session lives on."""
    site, session_id = key
    cursor = await conn.execute(
        _QUERIES["outlived"],
        {"site": site, "id": session_id, "stream": SESSIONS.name, "expired_seq": expired_seq},
    )
    return await cursor.fetchone() is not None
