"""A window on a session's list: a time span, and a page of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Order = Literal["asc", "desc"]

ORDERS: Final[dict[Order, dict[str, str]]] = {
    "asc": {"order": "asc", "beyond": ">"},
    "desc": {"order": "desc", "beyond": "<"},
}
"""The parts of a statement that each order fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time span, without `until` itself, and a page of it in the order of the line or against it."""

    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None  # last sequence of the page before
    offset: int = 0
    limit: int = 50
    order: Order = "asc"
