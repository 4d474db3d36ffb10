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
        async with self._pieces.open(conn, session_id, site) as opened:
            in_pieces = b"".join([chunk async for chunk in opened.chunks])
        (found,) = await self._whole.sessions(conn, [(session_id, site)])
        if found.document is not None:
            whole = b"".join(found.chunks())
            assert whole == in_pieces
        return in_pieces or None
