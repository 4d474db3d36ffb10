"""One session as the API shows it: the document, its timelines by pages, its history."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

from projections.sessions.history import paged, read_patches, serve, snapshots
from projections.sessions.render import DOCUMENT, with_history
from projections.sessions.window import WAYS, Way, Window
from projections.statements import Statements, only_row
from runtime.database.connections import Connection
from schemas.subjects import partition_of

PROJECTION: Final = "sessions"
_LONG_HISTORY: Final = 64 << 10  # characters of patches
T = TypeVar("T")

Timeline = Literal["event", "metric"]
Asked = tuple[str, str | None]
"""The id of a session, and its site if one was named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What every answer about one session tells besides its content."""

    sites: Sequence[str]  # where the id exists: none is unknown, several (never the own site) is ambiguous
    position: str | None  # what it reflects, as a Foldline-Position


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDocument(Reading):
    """A whole session; `body` is its JSON, None unless exactly one site has it."""

    body: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Reading):
    """Part of a list; `items` is a JSON array, `after` is where the next one begins, None on the last."""

    items: bytes
    total: int
    after: int | None


class SessionViews:
    """Reads about one session; each is one statement, so that all of an answer is of one moment.

    `own` is the site an id without a site is looked for first, `timeout` the silence that suspends.
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
        self._timeline: dict[tuple[Timeline, Way], bytes] = {
            (timeline, way): statements.compose("timeline", timeline=timeline, **sql)
            for timeline in ("event", "metric")
            for way, sql in WAYS.items()
        }

    async def session(self, conn: Connection, session_id: str, site: str | None) -> SessionDocument:
        """The whole session, with all timelines and every snapshot of its state."""
        (found,) = await self.sessions(conn, [(session_id, site)], longest=None)
        return found

    async def sessions(
        self, conn: Connection, asked: Sequence[Asked], *, longest: int | None
    ) -> list[SessionDocument]:
        """The same of several, in order. No body of one with more than `longest` events and metrics, or
        patches.
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

    async def sites(self, conn: Connection, session_id: str, site: str | None) -> Reading:
        """Where the session exists."""
        sites, position = await only_row(conn, self._sites, self._which(session_id, site), prepare=True)
        return Reading(sites=sites, position=position)

    async def skipped(self, conn: Connection) -> set[int]:
        """Sequences of SESSIONS without effect although they are valid."""
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
    ) -> Page:
        """One page of events or metrics in the order of the line, or against it."""
        values = {
            "name": name,
            "level": level,
            "since": window.since,
            "until": window.until,
            "after": window.after,
            "offset": window.offset,
            "limit": window.limit,
        }
        sites, position, total, items, after = await only_row(
            conn, self._timeline[timeline, window.way], self._which(session_id, site) | values, prepare=True
        )
        return Page(
            sites=sites,
            position=position,
            items=f"[{items or ''}]".encode(),
            total=total,
            after=after,
        )

    async def history(self, conn: Connection, session_id: str, site: str | None, window: Window) -> Page:
        """One page of snapshots. Each is a fold of all patches before it, so all of them are read."""
        sites, position, patches = await only_row(
            conn, self._history, self._which(session_id, site), prepare=True
        )

        def fold() -> Page:
            page, total, after = paged(snapshots(read_patches(patches)), window)
            return Page(sites=sites, position=position, items=serve(page), total=total, after=after)

        return await _aside(patches, fold)

    def _which(self, session_id: str, site: str | None) -> dict[str, Any]:
        return {
            "projection": PROJECTION,
            "parts": [partition_of(session_id, self._partitions)],
            "id": session_id,
            "own": self._own,
            "asked": site,
        }


async def _document(
    sites: Sequence[str], position: str | None, document: str | None, patches: str | None
) -> SessionDocument:
    if document is None:
        return SessionDocument(sites=sites, position=position, body=None)
    body = await _aside(patches, lambda: with_history(document, patches))
    return SessionDocument(sites=sites, position=position, body=body)


async def _aside(patches: str | None, work: Callable[[], T]) -> T:
    """Fold a long history in a thread: others are answered meanwhile."""
    if patches is None or len(patches) < _LONG_HISTORY:
        return work()
    return await asyncio.to_thread(work)
