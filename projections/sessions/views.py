"""Reads about one session: its document, its timelines by pages, its history."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

from projections.sessions.history import paged, read_patches, snapshots
from projections.sessions.render import DOCUMENT, served_history, with_history
from projections.sessions.window import ORDERS, Order, Window
from projections.statements import Statements, only_row
from runtime.database.connections import Connection
from schemas.subjects import partition_of

PROJECTION: Final = "sessions"
_LONG_HISTORY: Final = 64 << 10  # characters of patches
T = TypeVar("T")

Timeline = Literal["event", "metric"]
SessionRef = tuple[str, str | None]
"""The id of a session, and its site if one was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSites:
    """The sites at which a session exists, and the position of the read model that says so."""

    sites: Sequence[str]  # where the id exists: none is unknown, several (never the own site) is ambiguous
    position: str | None  # what the answer reflects, as a Foldline-Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSession(SessionSites):
    """A whole session. `body` is its document as JSON, None unless exactly one site has it."""

    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage(SessionSites):
    """A page of a list. `items` is a JSON array; the next page begins behind `after`, None on the last."""

    items: bytes
    total: int
    after: int | None


class SessionViews:
    """Reads about one session. Each is one statement, so that all of an answer is of one moment.

    An id without a site is looked for at `own` first; a session is suspended after a silence of `timeout`.
    """

    def __init__(self, *, own: str, timeout: timedelta, partitions: int, schema: str = PROJECTION) -> None:
        self._own = own
        self._timeout = timeout
        self._partitions = partitions
        statements = Statements("projections.sessions", schema)
        self._sites = statements.compose("sites")
        self._skipped = statements.compose("skipped")
        self._sessions = statements.compose(
            "sessions", id="wanted.id", asked="wanted.site", partitions="l.part = found.part", **DOCUMENT
        )
        self._history = statements.compose("history")
        self._timeline: dict[tuple[Timeline, Order], bytes] = {
            (timeline, order): statements.compose("timeline", timeline=timeline, **sql)
            for timeline in ("event", "metric")
            for order, sql in ORDERS.items()
        }

    async def session(self, conn: Connection, session_id: str, site: str | None) -> ServedSession:
        """Return the whole session, with all timelines and every snapshot of its state."""
        (found,) = await self.sessions(conn, [(session_id, site)], longest=None)
        return found

    async def sessions(
        self, conn: Connection, asked: Sequence[SessionRef], *, longest: int | None
    ) -> list[ServedSession]:
        """Return several whole sessions, in the order asked.

        One with more than `longest` events and metrics, or patches, has no body.
        """
        values = {
            "projection": PROJECTION,
            "timeout": self._timeout,
            "ids": [session_id for session_id, _ in asked],
            "asked": [site for _, site in asked],
            "parts": [partition_of(session_id, self._partitions) for session_id, _ in asked],
            "own": self._own,
            "longest": longest,
        }
        cursor = await conn.execute(self._sessions, values, prepare=True)
        return [await _document(*row) for row in await cursor.fetchall()]

    async def sites(self, conn: Connection, session_id: str, site: str | None) -> SessionSites:
        """Return where the session exists."""
        sites, position = await only_row(conn, self._sites, self._parameters(session_id, site), prepare=True)
        return SessionSites(sites=sites, position=position)

    async def skipped(self, conn: Connection) -> set[int]:
        """Return the sequences of SESSIONS that an operator had passed over."""
        cursor = await conn.execute(self._skipped, {"projection": PROJECTION})
        return {seq for (seq,) in await cursor.fetchall()}

    async def timeline(
        self,
        conn: Connection,
        timeline: Timeline,
        session_id: str,
        site: str | None,
        window: Window,
        *,
        name: str | None = None,
        level: str | None = None,
    ) -> SessionPage:
        """Return one page of events or metrics, in the order of the line or against it."""
        values = self._parameters(session_id, site) | {
            "name": name,
            "level": level,
            "since": window.since,
            "until": window.until,
            "after": window.after,
            "offset": window.offset,
            "limit": window.limit,
        }
        statement = self._timeline[timeline, window.order]
        sites, position, total, items, after = await only_row(conn, statement, values, prepare=True)
        return SessionPage(
            sites=sites,
            position=position,
            items=f"[{items or ''}]".encode(),
            total=total,
            after=after,
        )

    async def history(
        self, conn: Connection, session_id: str, site: str | None, window: Window
    ) -> SessionPage:
        """Return one page of snapshots. Each is a fold of all patches before it, so all of them are read."""
        sites, position, patches = await only_row(
            conn, self._history, self._parameters(session_id, site), prepare=True
        )

        def fold() -> SessionPage:
            page, total, after = paged(snapshots(read_patches(patches)), window)
            return SessionPage(
                sites=sites, position=position, items=served_history(page), total=total, after=after
            )

        return await _fold_aside(patches, fold)

    def _parameters(self, session_id: str, site: str | None) -> dict[str, Any]:
        return {
            "projection": PROJECTION,
            "parts": [partition_of(session_id, self._partitions)],
            "id": session_id,
            "own": self._own,
            "asked": site,
        }


async def _document(
    sites: Sequence[str], position: str | None, document: str | None, patches: str | None
) -> ServedSession:
    if document is None:
        return ServedSession(sites=sites, position=position, body=None)
    body = await _fold_aside(patches, lambda: with_history(document, patches))
    return ServedSession(sites=sites, position=position, body=body)


async def _fold_aside(patches: str | None, work: Callable[[], T]) -> T:
    """Do work on patches, with a long history in a thread: others are answered meanwhile."""
    if patches is None or len(patches) < _LONG_HISTORY:
        return work()
    return await asyncio.to_thread(work)
