"""Lists of sessions: filtered, sorted, paged, streamed through a cursor of the server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from pydantic_core import from_json

from projections.sessions.render import DOCUMENT, with_history
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
# Sessions may be large, and those of one fetch are in memory together.
_FETCH: Final = 4


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
    """An open export: its total and position are known before the first session is sent."""

    total: int
    position: str | None
    after: tuple[str | int, str, str] | None
    sessions: AsyncIterator[bytes] = field(repr=False)


class SessionExports:
    """Opens exports, each from one statement."""

    def __init__(self, *, timeout: timedelta, schema: str = PROJECTION) -> None:
        self._timeout = timeout
        statements = Statements("projections.sessions", schema, "state_conditions.sql")
        self._bound = statements.compose("bound-export")
        self._export = {
            (sort, order, timelines, everything): statements.compose(
                "export",
                **_KEYS[sort],
                **sql,
                **(DOCUMENT if timelines else DOCUMENT | {"timelines": "{counts}"}),
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
            "timelines": page.timelines,
            "after_key": after_key,
            "after_site": after_site,
            "after_id": after_id,
        }
        async with conn.transaction(), conn.cursor(name="export") as cursor:
            await conn.execute(self._bound)
            everything = filters == SessionFilters()
            await cursor.execute(self._export[page.sort, page.order, page.timelines, everything], values)
            rows = await cursor.fetchmany(_FETCH)
            total, position, after = from_json(rows[0][0])

            async def sessions() -> AsyncIterator[bytes]:
                fetched = rows
                while fetched:
                    for _, document, patches in fetched:
                        if document is not None:
                            yield (
                                with_history(document, patches)
                                if page.timelines
                                else f"{document}}}".encode()
                            )
                    fetched = await cursor.fetchmany(_FETCH) if len(fetched) == _FETCH else []

            yield Export(
                total=total,
                position=position,
                after=tuple(after) if after else None,
                sessions=sessions(),
            )
