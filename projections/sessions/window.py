"""Which part of a session's list is asked for."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Way = Literal["asc", "desc"]

WAYS: Final[dict[Way, dict[str, str]]] = {
    "asc": {"way": "asc", "beyond": ">"},
    "desc": {"way": "desc", "beyond": "<"},
}
"""How each way reads in SQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time span (`since` included, `until` not), and a page of it, along the line or against it."""

    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None  # the sequence the page before ended with
    offset: int = 0
    limit: int = 50
    way: Way = "asc"
