"""Reads of retention: silent sessions, and `expired` facts without effect."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from projections.projection import Key
from runtime.database.connections import Connection
from runtime.database.queries import load_queries
from schemas.sessions.streams import SESSIONS

_QUERIES: Final = load_queries("projections.sessions", "retention.sql", schema="sessions")


async def silent_sessions(conn: Connection, before: datetime, *, after: Key, most: int) -> list[Key]:
    """Return up to `most` sessions, by key and beyond `after`, without a fact or heartbeat since `before`."""
    site, id_ = after
    cursor = await conn.execute(
        _QUERIES["silent-sessions"], {"before": before, "after_site": site, "after_id": id_, "most": most}
    )
    return [(site, id_) async for site, id_ in cursor]


async def rejected_among(conn: Connection, sequences: Sequence[int]) -> set[int]:
    """Return which of the facts at `sequences` on SESSIONS were rejected."""
    values = {"stream": SESSIONS.name, "seqs": list(sequences)}
    return {seq async for (seq,) in await conn.execute(_QUERIES["rejected-among"], values)}
