"""Median durations of applications: read from every step of every histogram, so not for every question."""

import time
from typing import Any, Final

from projections.statements import Statements
from runtime.postgres import Connection

_SHARE: Final = 300


class Medians:
    """The medians of one schema, remembered for three hundred times as long as it took to find them.

    So they cost next to nothing, and are that much behind: under a second while there are few applications,
    ten seconds with hundreds.
    """

    def __init__(self, statements: Statements) -> None:
        self._statement = statements.compose("medians")
        self._found: dict[str, Any] = {}
        self._until = 0.0

    async def values(self, conn: Connection) -> dict[str, Any]:
        """By place: `median_sites`, `median_apps` and `medians` (seconds)."""
        if time.monotonic() >= self._until:
            began = time.monotonic()
            rows = await (await conn.execute(self._statement)).fetchall()
            names = ("median_sites", "median_apps", "medians")
            self._found = {name: [row[place] for row in rows] for place, name in enumerate(names)}
            now = time.monotonic()
            self._until = now + _SHARE * (now - began)
        return self._found
