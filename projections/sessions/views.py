"""Reads about one session beside its document: its timelines and its history by pages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic_core import from_json

from projections.page_rows import PAGE_BYTES
from projections.server_cursor import Row, server_rows
from projections.sessions.history import History, HistoryPage, Patch
from projections.sessions.window import ORDERS, Order, Window
from projections.statements import Statements, only_row
from runtime.database.connections import Connection
from schemas.subjects import partition_of

PROJECTION: Final = "sessions"
_FETCH: Final = 16  # rows that are in memory together
_LARGE: Final = 64 << 10  # bytes of a patch or a page: what follows is folded in a thread

Timeline = Literal["event", "metric"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSites:
    """The sites at which a session exists, and the position of the read model that says so."""

    sites: Sequence[str]  # where the id exists: none is unknown, several (never the own site) is ambiguous
    position: str | None  # what the answer reflects, as a Foldline-Position


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPage(SessionSites):
    """A page of a list. `items` is a JSON array; the next page begins behind `after`, None on the last."""

    items: bytes
    total: int
    after: int | None


class SessionViews:
    """Reads about one session. An id without a site is looked for at `own` first."""

    def __init__(self, *, own: str, partitions: int, schema: str = PROJECTION) -> None:
        self._own = own
        self._partitions = partitions
        statements = Statements("projections.sessions", schema)
        self._sites = statements.compose("sites")
        self._skipped = statements.compose("skipped")
        self._history = {order: statements.compose("history", **sql) for order, sql in ORDERS.items()}
        self._timeline: dict[tuple[str, Timeline, Order], bytes] = {
            (name, timeline, order): statements.compose(name, timeline=timeline, **sql)
            for name in ("timeline", "timeline-rows")
            for timeline in ("event", "metric")
            for order, sql in ORDERS.items()
        }

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
        statement = self._timeline["timeline", timeline, window.order]
        sites, position, total, is_small, items, after = await only_row(conn, statement, values, prepare=True)
        if is_small:
            return SessionPage(
                sites=sites, position=position, items=f"[{items or ''}]".encode(), total=total, after=after
            )
        statement = self._timeline["timeline-rows", timeline, window.order]
        async with server_rows(conn, statement, values, fetch=_FETCH) as ((sites, position, *_), rows):
            bodies, after = await _page_of_rows(rows, window.limit)
        return SessionPage(
            sites=sites, position=position, items=b"[%b]" % b",".join(bodies), total=total, after=after
        )

    async def history(
        self, conn: Connection, session_id: str, site: str | None, window: Window
    ) -> SessionPage:
        """Return one page of snapshots. Each is a fold of all patches before it, so all of those are read."""
        values = self._parameters(session_id, site) | {
            "since": window.since,
            "until": window.until,
            "after": window.after,
        }
        async with server_rows(conn, self._history[window.order], values, fetch=_FETCH) as (first, rows):
            sites, position, total, listed, *_ = first
            page = HistoryPage(window, listed, most_bytes=PAGE_BYTES)
            history = History()

            def take_up(patch: str, is_listed: bool) -> None:
                snapshot = history.then(Patch(*from_json(patch)))
                if is_listed:
                    page.add(snapshot)

            async for *_, is_listed, patch in rows:
                if patch is None or page.is_full:
                    break
                if page.size < _LARGE and len(patch) < _LARGE:
                    take_up(patch, is_listed)
                else:
                    await asyncio.to_thread(take_up, patch, is_listed)
        items = b"[%b]" % b",".join(page.items())
        return SessionPage(sites=sites, position=position, items=items, total=total, after=page.after)

    def _parameters(self, session_id: str, site: str | None) -> dict[str, Any]:
        return {
            "projection": PROJECTION,
            "parts": [partition_of(session_id, self._partitions)],
            "id": session_id,
            "own": self._own,
            "asked": site,
        }


async def _page_of_rows(rows: AsyncIterator[Row], limit: int) -> tuple[list[bytes], int | None]:
    """Return the items of a page that ends early by bytes, and the sequence that the next one comes after."""
    bodies: list[bytes] = []
    size, last = 0, None
    async for *_, seq, body in rows:
        if body is None:
            break
        if len(bodies) == limit or size >= PAGE_BYTES:
            return bodies, last
        bodies.append(body.encode())
        size, last = size + len(bodies[-1]), seq
    return bodies, None
