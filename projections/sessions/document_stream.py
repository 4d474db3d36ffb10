"""Session documents in chunks: from what was read as a whole, and from the pieces of large sessions.

A document holds a snapshot of the state for every patch: it may be thousands of times what is stored. So it
is made snapshot by snapshot while it is sent, in memory for one of them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final, NamedTuple

from pydantic_core import from_json

from projections.sessions.history import History, Patch, Snapshot, read_patches, snapshots
from projections.sessions.render import HISTORY, TIMELINES

CHUNK: Final = 64 << 10
_LARGE: Final = 64 << 10  # bytes of a patch or a snapshot: the next one is made in a thread

_WHOLE: Final = 0
_FIELDS: Final = 1
_PATCH: Final = 2 + len(TIMELINES)
"""Kinds of pieces; between them are those of the timelines."""


class Piece(NamedTuple):
    """A row of the fragment `pieces`. `place` is the session's place in a list, None outside of lists."""

    place: str | None
    kind: int
    body: str
    patches: str | None


class Part(NamedTuple):
    """A part of a document. `is_last`: the document ends with it."""

    body: bytes
    place: str | None
    is_last: bool


def document_chunks(opening: bytes, history: Iterable[Snapshot]) -> Iterator[bytes]:
    """Yield a document that `opening` begins, up to the bracket before its history.

    Chunks but the last one have 64 KiB or more; a shorter one is the last.
    """
    chunk = bytearray(opening)
    for number, one in enumerate(history):
        if number:
            chunk += b","
        chunk += one.as_json()
        if len(chunk) >= CHUNK:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk + b"]}")


def selected_chunks(document: str, patches: str | None) -> Iterator[bytes]:
    """Yield a document that was selected as a whole, without its history and the closing brace."""
    opening = f'{document},"{HISTORY}":['.encode()
    return document_chunks(opening, snapshots(read_patches(patches)))


async def document_parts(pieces: AsyncIterator[Piece]) -> AsyncIterator[Part]:
    """Yield the parts of documents whose pieces come in order; a thread works on large snapshots."""
    large: _LargeDocument | None = None
    async for piece in pieces:
        if piece.kind > _FIELDS:
            if large is None:
                raise RuntimeError("a piece of a session came before its fields")
            yield Part(await large.piece(piece), large.place, is_last=False)
            continue
        if large is not None:
            yield Part(large.end(), large.place, is_last=True)
            large = None
        if piece.kind == _FIELDS:
            large = _LargeDocument(piece)
            yield Part(piece.body.encode(), piece.place, is_last=False)
        elif piece.patches is None:
            yield Part(f"{piece.body}}}".encode(), piece.place, is_last=True)
        else:
            async for part in _whole(piece):
                yield part
    if large is not None:
        yield Part(large.end(), large.place, is_last=True)


async def _whole(piece: Piece) -> AsyncIterator[Part]:
    chunks = selected_chunks(piece.body, piece.patches)
    chunk = next(chunks)
    while len(chunk) >= CHUNK and (following := await asyncio.to_thread(next, chunks, None)):
        yield Part(chunk, piece.place, is_last=False)
        chunk = following
    yield Part(chunk, piece.place, is_last=True)


class _LargeDocument:
    """Puts a document together whose timelines and patches come one by one, behind its fields."""

    def __init__(self, fields: Piece) -> None:
        self.place = fields.place
        self._kind = _FIELDS
        self._history = History()
        self._size = 0  # bytes of the last patch or snapshot

    async def piece(self, piece: Piece) -> bytes:
        """Return the next piece as it stands in the document."""
        opening = self._open(piece.kind)
        if piece.kind < _PATCH:
            return opening + piece.body.encode()
        if max(self._size, len(piece.body)) < _LARGE:
            body = self._snapshot(piece.body)
        else:
            body = await asyncio.to_thread(self._snapshot, piece.body)
        self._size = len(body)
        return opening + body

    def end(self) -> bytes:
        """Return the end of the document."""
        return (self._open(_PATCH) if self._kind < _PATCH else b"") + b"]}"

    def _open(self, kind: int) -> bytes:
        """Return what stands before a piece: a comma, or the end of one array and the begin of the next."""
        if kind == self._kind:
            return b","
        if kind < self._kind:
            raise RuntimeError("the pieces of a session came out of order")
        names = (*TIMELINES, HISTORY)[self._kind - _FIELDS : kind - _FIELDS]
        begins = b"],".join(b'"%b":[' % name.encode() for name in names)
        opening = (b"," if self._kind == _FIELDS else b"],") + begins
        self._kind = kind
        return opening

    def _snapshot(self, patch: str) -> bytes:
        return self._history.then(Patch(*from_json(patch))).as_json()
