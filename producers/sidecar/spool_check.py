"""Check of the spool: whether the next event would be kept."""

import sqlite3

from producers.sidecar.spool import Spool, SpoolFull
from runtime.readiness import Check


def spool_check(spool: Spool) -> Check:
    """Check that the spool has room and that its disk takes a write. Nothing is left of what is written."""

    async def check() -> str | None:
        try:
            await spool.try_write()
        except SpoolFull as exc:
            return f"the spool is full: {exc}"
        except (sqlite3.Error, OSError) as exc:
            return f"the spool in {spool.folder} cannot be written: {exc}"
        return None

    return check
