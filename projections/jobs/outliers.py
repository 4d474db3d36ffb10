"""Outliers: jobs that took more than three times the median of their application.

The medians are remembered for a while, because finding them reads whole histograms.
"""

import time
from typing import Final

from projections.binary_copy import json_text
from projections.statements import Statements
from runtime.database.connections import Connection

_SHARE: Final = 300


class MedianCache:
    """The medians of one schema, remembered for three hundred times as long as it took to find them.

    They cost next to nothing that way, and are that much behind: under a second with few applications, ten
    seconds with hundreds.
    """

    def __init__(self, statements: Statements) -> None:
        self._statement = statements.compose("medians")
        self._found = "[]"
        self._until = 0.0

    async def as_json(self, conn: Connection) -> str:
        """Return `[{site, app_id, seconds}]` as JSON, which costs the client less than arrays would."""
        if time.monotonic() >= self._until:
            began = time.monotonic()
            rows = await (await conn.execute(self._statement)).fetchall()
            self._found = json_text(
                [dict(zip(("site", "app_id", "seconds"), row, strict=True)) for row in rows]
            )
            now = time.monotonic()
            self._until = now + _SHARE * (now - began)
        return self._found
