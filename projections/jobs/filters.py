"""Filters of lists of jobs and subjobs: the conditions they add to a statement, and its parameters."""

from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import product
from typing import Any, Final

from pydantic_core import to_json

from schemas.jobs.facts import Status
from schemas.validation import InvalidFact, parse_value

_INDEXED: Final = 4
"""Most keys of the metadata that are looked up together: each may mean two values, in all combinations."""
_APART: Final = frozenset({"app_name", "metadata", "stalled", "outliers"})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilters:
    """Filters of a list of jobs or subjobs; all that are given must hold.

    `until` and what ends in `before` are excluded. A text may be empty, which is not the same as None.
    """

    since: datetime | None = None
    until: datetime | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    started_after: datetime | None = None
    started_before: datetime | None = None
    ended_after: datetime | None = None
    ended_before: datetime | None = None
    min_duration: float | None = None  # seconds
    max_duration: float | None = None
    status: tuple[Status, ...] = ()
    site: str | None = None
    app_id: str | None = None
    app_name: str | None = None  # contained, in upper or lower case
    key: str | None = None
    job_id: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    stalled: bool | None = None
    outliers: bool = False

    def conditions(self, *, whole: bool = False) -> Iterator[str]:
        """Yield the names of the conditions in `list.sql`; `whole`: also what a source may imply."""
        for field in fields(self):
            if field.name not in _APART and getattr(self, field.name) not in (None, ()):
                yield f"by-{field.name.replace('_', '-')}"
        if self.app_name and (whole or self.outliers or self.metadata):
            yield "by-app-name"
        if self.stalled is not None:
            yield "by-stalled"
        if self.metadata:
            yield "by-text" if _is_plain(self.metadata) else "by-description"
        if self.metadata[_INDEXED:]:
            yield "by-more-metadata"
        if self.outliers and whole:
            yield "by-outlier"

    def sources(self) -> tuple[str, str]:
        """Return the fragments that say where to look first, and where if too many jobs are described."""
        usual = "of-applications" if self.app_name else "of-all"
        if self.outliers:
            return "of-outliers", usual
        return ("of-described" if self.metadata else usual), usual

    def sorted_sources(self) -> tuple[str, str]:
        """Return these fragments for an order by a value that some jobs do not have."""
        return "of-sorted-described" if self.metadata else "of-sorted", "of-all"

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the conditions."""
        plain = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _APART}
        wanted = [{"plain": {name: text}, "value": _as_json(name, text)} for name, text in self.metadata]
        ways = product(*([way for way in one.values() if way is not None] for one in wanted[:_INDEXED]))
        return plain | {
            "status": list(self.status),
            "app_name": self.app_name and f"%{_literal(self.app_name)}%",
            "metadata": [to_json(dict(ChainMap(*way))).decode() for way in ways],
            "more_metadata": to_json(wanted[_INDEXED:]).decode(),
            "metadata_name": self.metadata[0][0] if self.metadata else None,
            "metadata_text": self.metadata[0][1] if self.metadata else None,
            "stalled": self.stalled,
        }


def _is_plain(metadata: Sequence[tuple[str, str]]) -> bool:
    """Whether one key is asked for, by a text that is no JSON value of another type."""
    return len(metadata) == 1 and _as_json(*metadata[0]) is None


def _as_json(name: str, text: str) -> dict[str, Any] | None:
    """Return the metadata that the text means as JSON; None if it is none. In a URL `3` may be the number."""
    try:
        return {name: parse_value(text)}
    except InvalidFact:
        return None


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
