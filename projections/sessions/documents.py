"""Documents of single sessions: several small ones by one statement, a large one piece by piece."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from projections.server_cursor import server_rows
from projections.sessions.document_stream import Piece, document_parts, selected_chunks
from projections.sessions.render import DOCUMENT, LARGEST_WHOLE
from projections.sessions.views import PROJECTION, SessionSites
from projections.statements import Statements
from runtime.database.connections import Connection
from schemas.subjects import partition_of

SessionRef = tuple[str, str | None]
"""The id of a session, and its site if one was named."""

_FETCH: Final = 16  # rows that are in memory together; each is a fact or a snapshot at most


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSession(SessionSites):
    """A session that was read as a whole. It has no document if it is large, or not at exactly one site."""

    document: str | None = None  # without its history and the closing brace
    patches: str | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the document as JSON, in chunks of about 64 KiB."""
        return selected_chunks(self.document or "", self.patches)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession(SessionSites):
    """A session that is being read. `chunks` are its document as JSON; none unless one site has it."""

    chunks: AsyncIterator[bytes] = field(repr=False)


class SessionDocuments:
    """Reads documents. Each is one statement, so that all of an answer is of one moment.

    An id without a site is looked for at `own` first; a session is suspended after a silence of `timeout`,
    and large if its timelines have more than `largest_whole`.
    """

    def __init__(
        self,
        *,
        own: str,
        timeout: timedelta,
        partitions: int,
        largest_whole: int = LARGEST_WHOLE,
        schema: str = PROJECTION,
    ) -> None:
        self._own = own
        self._timeout = timeout
        self._partitions = partitions
        statements = Statements("projections.sessions", schema)
        document = DOCUMENT | {"largest": str(largest_whole)}
        self._sessions = statements.compose(
            "sessions", id="wanted.id", asked="wanted.site", partitions="l.part = found.part", **document
        )
        self._session = statements.compose("session", **document)

    async def sessions(self, conn: Connection, asked: Sequence[SessionRef]) -> list[ServedSession]:
        """Return several sessions in the order asked; large ones have no document."""
        values = self._values() | {
            "ids": [session_id for session_id, _ in asked],
            "asked": [site for _, site in asked],
            "parts": [partition_of(session_id, self._partitions) for session_id, _ in asked],
        }
        cursor = await conn.execute(self._sessions, values, prepare=True)
        return [
            ServedSession(sites=sites, position=position, document=document, patches=patches)
            for sites, position, document, patches in await cursor.fetchall()
        ]

    @asynccontextmanager
    async def open(self, conn: Connection, session_id: str, site: str | None) -> AsyncIterator[OpenSession]:
        """Open a session of any size on a connection that nobody else uses until it is closed."""
        values = self._values() | {
            "parts": [partition_of(session_id, self._partitions)],
            "id": session_id,
            "asked": site,
        }
        async with server_rows(conn, self._session, values, fetch=_FETCH) as (first, rows):
            sites, position, *_ = first

            async def pieces() -> AsyncIterator[Piece]:
                async for _, _, kind, body, patches in rows:
                    if kind is not None:
                        yield Piece(None, kind, body, patches)

            async def chunks() -> AsyncIterator[bytes]:
                async for part in document_parts(pieces()):
                    yield part.body

            yield OpenSession(sites=sites, position=position, chunks=chunks())

    def _values(self) -> dict[str, Any]:
        return {"projection": PROJECTION, "timeout": self._timeout, "own": self._own}
