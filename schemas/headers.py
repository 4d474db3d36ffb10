"""NATS header blocks, searched without parsing them: `NATS/1.0␍␊Name: value␍␊…␍␊␍␊`.

Thousands of messages a second are read, and only two headers of each matter. The first of two headers with
the same name counts, as it does for the server.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

NO_HEADERS: Final = b""
_START: Final = b"NATS/1.0"
_LINE: Final = b"\r\n"


def header(block: bytes, name: str) -> str | None:
    """Return the value of a header, or None; bytes that are not UTF-8 become U+FFFD."""
    mark = _mark(name)
    found = block.find(mark)
    if found < 0:
        return None
    start = found + len(mark)
    end = block.find(_LINE, start)
    return block[start : end if end >= 0 else None].strip().decode("utf-8", "replace")


def header_begins(block: bytes, name: str, start: bytes) -> bool:
    """Whether the bytes behind `Name:` begin with `start`, blanks included: cheaper than `header`."""
    mark = _mark(name)
    found = block.find(mark)
    return found >= 0 and block.startswith(start, found + len(mark))


def header_block(headers: Mapping[str, str]) -> bytes:
    """Return the block that a publisher with these headers sends."""
    if not headers:
        return NO_HEADERS
    lines = [f"{name}: {value}".encode() for name, value in headers.items()]
    return _LINE.join([_START, *lines, _LINE])


def headers_of(block: bytes) -> dict[str, str]:
    """Return all headers of a block, to be shown."""
    found: dict[str, str] = {}
    for line in block.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name, value.strip())
    return found


@cache
def _mark(name: str) -> bytes:
    return _LINE + name.encode() + b":"
