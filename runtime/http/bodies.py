"""Request bodies, read within bounds and unpacked: a few kilobytes of gzip never become gigabytes."""

import zlib
from typing import Final

from starlette.requests import Request

from runtime.http.errors import HttpProblem
from schemas.validation import InvalidFact

_GZIP: Final = 16 + zlib.MAX_WBITS
_MOST_MEMBERS: Final = 64


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, unpacked if it came with `Content-Encoding: gzip`; at most `max_bytes`, packed or not.

    Raises InvalidFact when it is larger, HttpProblem for bad gzip and for encodings we do not read.
    """
    headers = dict(
        request.scope["headers"]
    )  # one look at all of them: Starlette's own way is one for each name
    encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise HttpProblem(415, "Unsupported content encoding", f"{encoding[:50]!r} is not gzip")
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise HttpProblem(400, "Invalid request", "The body ended early")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise _too_large(max_bytes)
        more = message.get("more_body", False)
    body: bytes = b"".join(parts)
    return gunzip(body, max_bytes) if body and encoding in ("gzip", "x-gzip") else body


def gunzip(packed: bytes, max_bytes: int) -> bytes:
    """Unpack one or more gzip members; stops at `max_bytes`. Raises InvalidFact, HttpProblem."""
    unpacked = bytearray()
    members = 0
    while packed:
        members += 1
        if members > _MOST_MEMBERS:  # each one copies what follows it
            raise _bad_gzip()
        member = zlib.decompressobj(_GZIP)
        try:
            unpacked += member.decompress(packed, max_bytes - len(unpacked) + 1)
        except zlib.error:
            raise _bad_gzip() from None
        if len(unpacked) > max_bytes:
            raise _too_large(max_bytes)
        if not member.eof:
            raise _bad_gzip()
        packed = member.unused_data
    return bytes(unpacked)


def _bad_gzip() -> HttpProblem:
    return HttpProblem(400, "Invalid request", "Failed to decompress request")


def _too_large(max_bytes: int) -> InvalidFact:
    return InvalidFact("too_large", f"the body has more than the {max_bytes} bytes that are allowed")
