"""Query parameters of the routes of one session."""

from typing import Annotated, Final, Literal

from pydantic import Field

from api.reading import cursor
from api.reading.params import Limit, Query, Text, invalid_cursor
from projections.sessions.window import Order, Window
from schemas.times import Timestamp

_CURSORS: Final = {"asc": "along", "desc": "against"}


class SessionQuery(Query):
    """The site of the session, for an id that exists at several sites."""

    site: Text | None = Field(
        None, description="Only this site; default: this server's own, else the only one that has the id."
    )


class PageQuery(SessionQuery):
    """A page of one of a session's lists."""

    since: Timestamp | None = Field(None, description="From this event time on (RFC 3339).")
    until: Timestamp | None = Field(None, description="Before this event time (RFC 3339).")
    order: Order = Field("asc", description="asc: in the order of the event stream; desc: newest first.")
    limit: Limit = Field(50, description="Most items, 1 to 1000.")
    offset: Annotated[int, Field(ge=0, lt=1 << 40)] = Field(
        0, description="Items to skip; ignored with a cursor, which has skipped them already."
    )
    cursor: Text | None = Field(None, description="`next_cursor` of the page before.")

    def window(self) -> Window:
        """The page as the views take it. Raises HttpProblem (400) for a cursor of another list."""
        after = None
        if self.cursor is not None:
            try:
                (after,) = cursor.decode(self.cursor, _CURSORS[self.order], int)
            except cursor.InvalidCursor:
                raise invalid_cursor(self.cursor, "this list and order") from None
        return Window(
            since=self.since,
            until=self.until,
            after=after,
            offset=0 if self.cursor else self.offset,
            limit=self.limit,
            order=self.order,
        )

    def next_cursor(self, after: int | None) -> str | None:
        """The cursor of the page behind this one; `after` is None on the last."""
        return None if after is None else cursor.encode(_CURSORS[self.order], after)


class MetricsQuery(PageQuery):
    """A page of a session's metrics."""

    name: Text | None = Field(None, description="Only metrics of this name.")


class EventsQuery(MetricsQuery):
    """A page of a session's events."""

    name: Text | None = Field(None, description="Only events of this name.")
    level: Literal["debug", "info", "warning", "error", "critical"] | None = Field(
        None, description="Only events of this level."
    )


class DocumentQuery(SessionQuery):
    """The point in time of a session's document."""

    at: Text | None = Field(
        None,
        description="The session as of a store time (RFC 3339) or a sequence of SESSIONS; default: now.",
    )


class DiffQuery(SessionQuery):
    """The two points in time between which a session is compared."""

    from_: Text = Field(alias="from", description="A store time (RFC 3339) or a sequence of SESSIONS.")
    to: Text | None = Field(None, description="A later store time or sequence; default: now.")
    limit: Limit = Field(1000, description="Most events and most metrics that are listed, 1 to 1000.")
