"""Cursors of the lists of jobs and subjobs: bound to the list and its order."""

import math
from datetime import datetime
from typing import Final

from api.reading import cursor
from api.reading.params import invalid_cursor
from projections.jobs.list_order import FirstPage, ListOrder, PageEnd, Place
from projections.jobs.views import EntityType
from schemas.times import format_time, parse_time
from schemas.validation import InvalidFact

_MOST: Final = 1 << 62
_MOST_PARTITIONS: Final = 4096


def write_cursor(end: PageEnd, kind: EntityType, order: ListOrder) -> str:
    """Encode the end of a page."""
    key, seq = end.place or Place(None, 0)
    place = (format_time(key) if isinstance(key, datetime) else "" if key is None else repr(key), seq)
    if end.first is None:
        return cursor.encode(_name(kind, order), *place)
    at, shown, until = end.first
    return cursor.encode(_name(kind, order), format_time(at), shown, ",".join(map(str, until)), *place)


def read_cursor(text: str, kind: EntityType, order: ListOrder) -> PageEnd:
    """Decode a cursor of the list in this order. Raises HttpProblem."""
    name = _name(kind, order)
    try:
        if order.sort != "inserted_at":
            key, seq = cursor.decode(text, name, str, int)
            return PageEnd(_place(key, seq, order))
        at, shown, until, key, seq = cursor.decode(text, name, str, int, str, str, int)
        first = FirstPage(parse_time(at), shown, _sequences(until))
        return PageEnd(_place(key, seq, ListOrder("opened_at")) if key else None, first)
    except (cursor.InvalidCursor, InvalidFact, ValueError):
        raise invalid_cursor(text, f"this list of {kind}s in this order") from None


def _place(key: str, seq: int, order: ListOrder) -> Place:
    """Read a place. Raises InvalidFact, ValueError."""
    if not key and order.is_nullable:
        return Place(None, seq)
    if order.sort != "duration_s":
        return Place(parse_time(key), seq)
    seconds = float(key)
    if not math.isfinite(seconds):
        raise ValueError(key)
    return Place(seconds, seq)


def _sequences(text: str) -> tuple[int, ...]:
    parts = text.split(",") if text else []
    if len(parts) > _MOST_PARTITIONS or not all(part.isascii() and part.isdecimal() for part in parts):
        raise ValueError(text)
    found = tuple(int(part[:20]) for part in parts)
    if max(found, default=0) >= _MOST:
        raise ValueError(text)
    return found


def _name(kind: EntityType, order: ListOrder) -> str:
    return f"{kind} {'-' if order.descending else ''}{order.sort}"
