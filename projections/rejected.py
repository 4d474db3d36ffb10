"""Rejected events of all projections: what was set aside, why, and what somebody has dismissed.

Dismissing an event hides it and changes no read model.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from runtime.database.connections import Connection
from runtime.database.engine.operator_reason import checked_reason
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from schemas.subjects import published_form

PageEnd = tuple[str, str, int, str]
"""(stored_at, stream, sequence, projection) of a page's last event: the order key, newest first."""


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """A page of rejected events, newest first.

    `counts` by reason are of all that match, not of the page alone; `before` is None on the last page.
    """

    items: list[dict[str, Any]]
    counts: dict[str, int]
    before: PageEnd | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """One projection's reason for setting an event aside. `dismissed`: `{"reason", "at"}`, or None."""

    projection: str
    partition: int
    reason: str
    details: str
    dismissed: dict[str, str] | None


class NotRejected(Problem):
    """No such event is rejected, or dismissed, as the call requires."""


class RejectedEvents:
    """Reads the rejected events of the projections given as name → schema."""

    def __init__(self, schemas: Mapping[str, str]) -> None:
        self._queries = {name: engine_queries(schema) for name, schema in schemas.items()}
        self.projections = tuple(self._queries)

    async def page(
        self,
        conn: Connection,
        *,
        projection: str | None = None,
        reason: str | None = None,
        stream: str | None = None,
        dismissed: bool = False,
        before: PageEnd | None = None,
        limit: int = 50,
    ) -> RejectedPage:
        """Return one page, with `dismissed` events included if wanted. `projection` must be one of ours."""
        before_at, before_stream, before_seq, before_projection = before or (None,) * 4
        values = {
            "reason": reason,
            "stream": stream,
            "dismissed": dismissed,
            "before_at": before_at,
            "before_stream": before_stream,
            "before_seq": before_seq,
            "before_projection": before_projection,
            "limit": limit + 1,
        }
        counts: Counter[str] = Counter()
        found: list[dict[str, Any]] = []
        for name in [projection] if projection else self.projections:
            row = await (
                await conn.execute(self._queries[name]["list-rejected"], values | {"projection": name})
            ).fetchone()
            counted, items = row or (None, None)
            counts.update(from_json(counted or "{}"))
            found += [
                {"projection": name, **item, "subject": published_form(item["subject"])}
                for item in from_json(items or "[]")
            ]
        found.sort(key=_page_end, reverse=True)
        last = _page_end(found[limit - 1]) if len(found) > limit else None
        return RejectedPage(found[:limit], dict(counts), last)

    async def one(self, conn: Connection, stream: str, sequence: int) -> list[Rejected]:
        """Return each projection's reason for rejecting an event. Raises NotRejected."""
        found = []
        for name, queries in self._queries.items():
            values = {"projection": name, "stream": stream, "sequence": sequence}
            async for part, reason, details, because, at in await conn.execute(
                queries["rejected-event"], values
            ):
                dismissed = {"reason": because, "at": at} if at else None
                found.append(Rejected(name, part, reason, details, dismissed))
        if not found:
            raise NotRejected(f"no rejected event {sequence} of stream {stream}")
        return found

    async def counts(self, conn: Connection) -> dict[tuple[str, str], int]:
        """Return how many rejected events are not dismissed, by projection and reason."""
        return {
            (name, reason): count
            for name, queries in self._queries.items()
            async for reason, count in await conn.execute(queries["count-rejected"], {"projection": name})
        }

    async def dismiss(self, conn: Connection, stream: str, sequence: int, reason: str) -> None:
        """Hide a rejected event from lists and counts. Raises NotRejected, Problem."""
        because = checked_reason("a dismissal", reason)
        dismissed = 0
        async with conn.transaction():
            for name, queries in self._queries.items():
                values = {
                    "projection": name,
                    "stream": stream,
                    "sequence": sequence,
                    "reason": because,
                }
                dismissed += (await conn.execute(queries["dismiss"], values)).rowcount
        if not dismissed:
            raise NotRejected(f"no rejected event {sequence} of stream {stream}")

    async def restore(self, conn: Connection, stream: str, sequence: int) -> None:
        """Show a dismissed event again. Raises NotRejected when it was not dismissed."""
        restored = 0
        async with conn.transaction():
            for name, queries in self._queries.items():
                values = {"projection": name, "stream": stream, "sequence": sequence}
                restored += (await conn.execute(queries["restore"], values)).rowcount
        if not restored:
            raise NotRejected(f"no dismissed event {sequence} of stream {stream}")


def _page_end(item: Mapping[str, Any]) -> PageEnd:
    return item["stored_at"], item["stream"], item["sequence"], item["projection"]
