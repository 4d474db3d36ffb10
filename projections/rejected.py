"""Rejected events of all projections: what was set aside, and why, and which of them somebody dealt with.

Dismissing one hides it and changes no read model.
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

Place = tuple[str, str, int, str]
"""(stored_at, stream, sequence, projection): where a page ended. The order is by these, newest first."""


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """`counts` by reason are of all that match, not of the page alone; `before` is None on the last page."""

    items: list[dict[str, Any]]
    counts: dict[str, int]
    before: Place | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """One projection's reason for setting an event aside. `dismissed`: `{"reason", "at"}`, or None."""

    projection: str
    partition: int
    reason: str
    details: str
    dismissed: dict[str, str] | None


class NotRejected(Problem):
    """There is no such rejected event."""


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
        before: Place | None = None,
        limit: int = 50,
    ) -> RejectedPage:
        """One page, newest first; with `dismissed` also those. `projection` must be one of ours."""
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
        found.sort(key=_place, reverse=True)
        last = _place(found[limit - 1]) if len(found) > limit else None
        return RejectedPage(found[:limit], dict(counts), last)

    async def one(self, conn: Connection, stream: str, sequence: int) -> list[Rejected]:
        """Who rejected an event, and why. Raises NotRejected."""
        found = []
        for name, queries in self._queries.items():
            values = {"projection": name, "stream": stream, "sequence": sequence}
            async for part, reason, details, because, at in await conn.execute(
                queries["one-rejected"], values
            ):
                dismissed = {"reason": because, "at": at} if at else None
                found.append(Rejected(name, part, reason, details, dismissed))
        if not found:
            raise NotRejected(f"no rejected event {sequence} of stream {stream}")
        return found

    async def counts(self, conn: Connection) -> dict[tuple[str, str], int]:
        """How many nobody has dealt with, by projection and reason."""
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


def _place(item: Mapping[str, Any]) -> Place:
    return item["stored_at"], item["stream"], item["sequence"], item["projection"]
