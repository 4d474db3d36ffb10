"""Orders of lists of jobs and subjobs, and the place where a page ends.

A walk goes by `opened_at`, which never changes, so it misses nothing and repeats nothing, whatever moves. The
order by `inserted_at`, newest first, is for looking: a job moves to its front with every event. So its first
page is in that order, and the pages behind it are a walk of everything else: they leave out what was on the
first page. The other orders are for looking alone: a job whose value changes between two pages may be missed
or come again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from schemas.jobs.streams import JOBS
from schemas.positions import parse_positions
from schemas.times import format_time

Sort = Literal["inserted_at", "opened_at", "started_at", "ended_at", "duration_s"]

BEGIN: Final = frozenset({"of-jobs", "of-subjobs", "by-after", "by-not-shown"})
"""Conditions that say where in the order of the list a page begins."""
_NULLABLE: Final = frozenset({"started_at", "ended_at", "duration_s"})


class Place(NamedTuple):
    """The place of a job in the order; a key of None stands behind all others."""

    key: datetime | float | None
    seq: int


class FirstPage(NamedTuple):
    """The last item of a first page by `inserted_at`, and up to where each partition was folded then."""

    at: datetime
    seq: int
    until: tuple[int, ...]


class PageEnd(NamedTuple):
    """The place behind which the next page begins, and what the first one has shown, if that matters."""

    place: Place | None
    first: FirstPage | None = None


@dataclass(frozen=True, slots=True)
class ListOrder:
    """An order: by a value, upwards or downwards. Jobs without that value are last."""

    sort: Sort
    descending: bool = True

    def of_page(self, after: PageEnd | None) -> "ListOrder":
        """Return the order of the page behind `after`: behind a first page by `inserted_at` it is a walk."""
        return ListOrder("opened_at") if after is not None and after.first is not None else self

    @property
    def is_nullable(self) -> bool:
        """Whether there are jobs without a value to sort by."""
        return self.sort in _NULLABLE

    def conditions(self, after: PageEnd | None) -> list[str]:
        """Return the names of the conditions for a page behind `after`, by values that all jobs have."""
        if after is None or self.is_nullable:
            return []
        shown = ["by-not-shown"] if after.first is not None else []
        return [*shown, "by-after"] if after.place is not None else shown

    def parts(self, after: PageEnd | None) -> dict[str, str]:
        """Return the parts of the statement that sorts."""
        place = after.place if after is not None else None
        valued, null = "every", "every"
        if place is not None:
            valued, null = ("none", "by-after-null") if place.key is None else ("by-after", "every")
        return {
            "key": self.sort,
            "tie": "inserted_seq" if self.sort == "inserted_at" else "first_seq",
            "type": "float8" if self.sort == "duration_s" else "timestamptz",
            "way": "desc" if self.descending else "asc",
            "beyond": "<" if self.descending else ">",
            "after-value": f"{{{valued}}}",
            "after-null": f"{{{null}}}",
            "page-order": "{order-nulls-last}" if self.is_nullable else "{order}",
        }

    def end(self, place: Place, after: PageEnd | None, position: str | None, site: str | None) -> PageEnd:
        """Return the end of a page, which began behind `after`, at the place of its last item."""
        if after is not None and after.first is not None:
            return after._replace(place=place)
        if self.sort == "inserted_at" and isinstance(place.key, datetime):
            return PageEnd(None, FirstPage(place.key, place.seq, folded_until(position or "", site)))
        return PageEnd(place)


def parameters(after: PageEnd | None) -> dict[str, Any]:
    """Return the parameters of the conditions of a page behind `after`."""
    place, first = after or PageEnd(None)
    key = format_time(place.key) if place and isinstance(place.key, datetime) else place and place.key
    return {
        "after_key": key,
        "after_seq": place and place.seq,
        "shown_at": first and format_time(first.at),
        "shown_seq": first and first.seq,
        "shown_until": first and list(first.until),
    }


def folded_until(position: str, site: str | None) -> tuple[int, ...]:
    """Return up to which sequence each partition is folded. A centre has a stream of each site."""
    streams = {JOBS.name, f"{JOBS.name}_{site}"}
    reached = {one.partition: one.sequence for one in parse_positions(position) if one.stream in streams}
    return tuple(reached.get(part, 0) for part in range(max(reached, default=-1) + 1))
