"""Rejected events of all projections: what was set aside, and why."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from runtime.postgres import Connection
from runtime.sql import load_queries
from schemas.subjects import published_form

Place = tuple[str, str, int, str]
"""(stored_at, stream, sequence, projection): where a page ended. The order is by these, newest first."""


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """`counts` by reason are of all that match, not of the page alone; `before` is None on the last page."""

    items: list[dict[str, Any]]
    counts: dict[str, int]
    before: Place | None


class RejectedEvents:
    """Reads the rejected events of the projections given as name → schema."""

    def __init__(self, schemas: Mapping[str, str]) -> None:
        self._queries = {
            name: load_queries("projections", "rejected.sql", schema=schema)["rejected"]
            for name, schema in schemas.items()
        }
        self.projections = tuple(self._queries)

    async def page(
        self,
        conn: Connection,
        *,
        projection: str | None = None,
        reason: str | None = None,
        stream: str | None = None,
        before: Place | None = None,
        limit: int = 50,
    ) -> RejectedPage:
        """One page, newest first. `projection` must be one of ours."""
        before_at, before_stream, before_seq, before_projection = before or (None,) * 4
        values = {
            "reason": reason,
            "stream": stream,
            "before_at": before_at,
            "before_stream": before_stream,
            "before_seq": before_seq,
            "before_projection": before_projection,
            "limit": limit + 1,
        }
        counts: Counter[str] = Counter()
        found: list[dict[str, Any]] = []
        for name in [projection] if projection else self.projections:
            row = await (await conn.execute(self._queries[name], values | {"projection": name})).fetchone()
            counted, items = row or (None, None)
            counts.update(from_json(counted or "{}"))
            found += [
                {"projection": name, **item, "subject": published_form(item["subject"])}
                for item in from_json(items or "[]")
            ]
        found.sort(key=_place, reverse=True)
        last = _place(found[limit - 1]) if len(found) > limit else None
        return RejectedPage(found[:limit], dict(counts), last)


def _place(item: Mapping[str, Any]) -> Place:
    return item["stored_at"], item["stream"], item["sequence"], item["projection"]
