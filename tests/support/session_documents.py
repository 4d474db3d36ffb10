"""The document of a session as the API would serve it, read in both ways."""

from datetime import timedelta

from projections.sessions.documents import SessionDocuments
from runtime.database.connections import Connection
from tests.support.settings import PARTITIONS


class BothWays:
    """Reads documents as a whole and piece by piece, which must be the same."""

    def __init__(self, timeout: timedelta) -> None:
        self._whole = SessionDocuments(own="local", timeout=timeout, partitions=PARTITIONS)
        self._pieces = SessionDocuments(own="local", timeout=timeout, partitions=PARTITIONS, largest_whole=-1)

    async def document(self, conn: Connection, session_id: str, site: str | None = None) -> bytes | None:
        """Return a session's document, None unless exactly one site has it."""
        # A session may become silent, or be written to, between the two reads.
        before, whole = (
            await self._in_pieces(conn, session_id, site),
            await self._as_whole(conn, session_id, site),
        )
        after = await self._in_pieces(conn, session_id, site)
        assert whole is None or whole in {before, after} or before != after
        return after or None

    async def _in_pieces(self, conn: Connection, session_id: str, site: str | None) -> bytes:
        async with self._pieces.open(conn, session_id, site) as opened:
            return b"".join([chunk async for chunk in opened.chunks])

    async def _as_whole(self, conn: Connection, session_id: str, site: str | None) -> bytes | None:
        (found,) = await self._whole.sessions(conn, [(session_id, site)])
        return None if found.document is None else b"".join(found.chunks())
