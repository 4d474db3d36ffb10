"""Request bodies, read and unpacked within bounds: a few kilobytes of gzip never become gigabytes."""

import zlib
from typing import Final

from starlette.requests import Request

from runtime.http.errors import HttpProblem
from schemas.errors import ErrorCode
from schemas.validation import InvalidFact

_GZIP: Final = 16 + zlib.MAX_WBITS
_MOST_MEMBERS: Final = 64


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body, unpacked if it came with `Content-Encoding: gzip`; at most `max_bytes` either way.

    Raises InvalidFact (`too_large`) for a larger one, HttpProblem for a body that is cut short, for broken
    gzip and for other encodings.
    """
    # One look at all headers: Starlette's own way goes through them once for each name.
    headers = dict(request.scope["headers"])
    encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise HttpProblem(
            ErrorCode.UNSUPPORTED_ENCODING,
            f"{encoding[:50]!r} is not supported: send gzip, or no Content-Encoding",
        )
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    parts, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise HttpProblem(
                ErrorCode.INVALID_REQUEST, "The connection ended before the whole body had arrived"
            )
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise _too_large(max_bytes)
        more = message.get("more_body", False)
    body: bytes = b"".join(parts)
    return gunzip(body, max_bytes) if body and encoding in ("gzip", "x-gzip") else body


def gunzip(packed: bytes, max_bytes: int) -> bytes:
    """Unpack one or more gzip members, up to `max_bytes`.

    Raises InvalidFact (`too_large`) for more bytes, HttpProblem for broken gzip.
    """
    unpacked = bytearray()
    members = 0
    while packed:
        members += 1
        if members > _MOST_MEMBERS:  # unpacking a member copies all that follow it
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
    return HttpProblem(ErrorCode.INVALID_REQUEST, "Failed to decompress request")


def _too_large(max_bytes: int) -> InvalidFact:
    return InvalidFact("too_large", f"the body has more than the {max_bytes} bytes that are allowed")
