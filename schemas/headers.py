"""NATS header blocks, read where they are: `NATS/1.0␍␊Name: value␍␊…␍␊␍␊`.

Of thousands of messages a second only two headers matter, so a block is searched and not parsed. Of a header
given twice the first counts, as for the server.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

NO_HEADERS: Final = b""
_START: Final = b"NATS/1.0"
_LINE: Final = b"\r\n"


def header(block: bytes, name: str) -> str | None:
    """The value of a header; what is not UTF-8 in it becomes U+FFFD."""
    mark = _mark(name)
    found = block.find(mark)
    if found < 0:
        return None
    start = found + len(mark)
    end = block.find(_LINE, start)
    return block[start : end if end >= 0 else None].strip().decode("utf-8", "replace")


def header_begins(block: bytes, name: str, start: bytes) -> bool:
    """Whether what follows `Name:` begins with `start`, blanks and all: a quick look before it is read."""
    mark = _mark(name)
    found = block.find(mark)
    return found >= 0 and block.startswith(start, found + len(mark))


def header_block(headers: Mapping[str, str]) -> bytes:
    """The block a publisher with these headers sends."""
    if not headers:
        return NO_HEADERS
    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    return _LINE.join([_START, *lines, _LINE])


def headers_of(block: bytes) -> dict[str, str]:
    """All of them, for somebody to look at."""
    found: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name, value.strip())
    return found


@cache
def _mark(name: str) -> bytes:
    return _LINE + name.encode() + b":"
