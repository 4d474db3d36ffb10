"""Lists of sessions: filtered, sorted, paged, streamed through a cursor of the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from pydantic_core import from_json

from projections.server_cursor import server_rows
from projections.sessions.document_stream import Part, Piece, document_parts
from projections.sessions.render import DOCUMENT, LARGEST_WHOLE
from projections.sessions.state_conditions import StateCondition, conditions_parameter
from projections.sessions.views import PROJECTION
from projections.sessions.window import ORDERS, Order
from projections.statements import Statements
from runtime.database.connections import Connection

StatusFilter = Literal[
    "active",
    "suspended",
    "ended",
    "crashed",
    "hung",
    "ever_hung",
    "hung_recovered",
    "hung_ended",
    "hung_crashed",
]
Sort = Literal["created_at", "updated_at", "status", "events", "metrics"]

_KEYS: Final[dict[Sort, dict[str, str]]] = {
    "created_at": {"key": "s.created_at", "type": "timestamptz"},
    "updated_at": {"key": "c.updated_at", "type": "timestamptz"},
    "status": {"key": "c.status", "type": "text"},
    "events": {"key": "s.events", "type": "bigint"},
    "metrics": {"key": "s.metrics", "type": "bigint"},
}
_FETCH: Final = 16  # rows that are in memory together: small sessions, or one fact of a large one


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilters:
    """Filters of a list of sessions; all that are given must hold. `created_before` is excluded."""

    product: str | None = None
    version: str | None = None
    status: StatusFilter | None = None
    machine_id: str | None = None
    hostname: str | None = None
    site: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    has_event: tuple[str, ...] = ()
    state: tuple[StateCondition, ...] = ()
    state_ever: tuple[StateCondition, ...] = ()

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statement `export`."""
        plain = ("product", "version", "status", "machine_id", "hostname", "site")
        return {name: getattr(self, name) for name in (*plain, "created_after", "created_before")} | {
            "has_event": list(self.has_event) or None,
            "state": conditions_parameter(self.state),
            "state_ever": conditions_parameter(self.state_ever),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPage:
    """Order and page. The page comes after the sort key `after`; a `limit` of None means everything."""

    sort: Sort = "created_at"
    order: Order = "asc"
    after: tuple[str | int, str, str] | None = None  # sort key, site, id
    limit: int | None = None
    timelines: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An open export: total, position and size are known before the first session is sent.

    `found` is the number of sessions in it, and one more if there is another page. `parts` are those of all
    documents; the place of each is the text of its sort key, site and id, behind which a page may begin.
    """

    total: int
    position: str | None
    found: int
    parts: AsyncIterator[Part] = field(repr=False)


class SessionExports:
    """Opens exports, each from one statement.

    A session is suspended after a silence of `timeout`, and read piece by piece if its timelines have more
    than `largest_whole`.
    """

    def __init__(
        self, *, timeout: timedelta, largest_whole: int = LARGEST_WHOLE, schema: str = PROJECTION
    ) -> None:
        self._timeout = timeout
        document = DOCUMENT | {"largest": str(largest_whole)}
        statements = Statements("projections.sessions", schema, "state_conditions.sql")
        self._export = {
            (sort, order, timelines, everything): statements.compose(
                "export",
                **_KEYS[sort],
                **sql,
                **(document if timelines else document | {"pieces": "{counted}"}),
                once="not materialized" if everything and sort == "created_at" else "materialized",
            )
            for sort in get_args(Sort)
            for order, sql in ORDERS.items()
            for timelines in (True, False)
            for everything in (True, False)
        }

    @asynccontextmanager
    async def open(
        self, conn: Connection, filters: SessionFilters, page: ExportPage
    ) -> AsyncIterator[Export]:
        """Open an export on a connection that nobody else uses until it is closed."""
        after_key, after_site, after_id = page.after or (None, None, None)
        values = filters.parameters() | {
            "projection": PROJECTION,
            "parts": None,
            "timeout": self._timeout,
            "limit": page.limit,
            "after_key": after_key,
            "after_site": after_site,
            "after_id": after_id,
        }
        everything = filters == SessionFilters()
        statement = self._export[page.sort, page.order, page.timelines, everything]
        async with server_rows(conn, statement, values, fetch=_FETCH) as ((header, *_), rows):
            total, position, found = from_json(header)

            async def pieces() -> AsyncIterator[Piece]:
                async for _, place, kind, body, patches in rows:
                    if kind is not None:
                        yield Piece(place, kind, body, patches)

            yield Export(total=total, position=position, found=found, parts=document_parts(pieces()))
