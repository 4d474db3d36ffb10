"""Cursors: the place where a page ended, opaque to clients, bound to the list it came from."""

import base64
import binascii
import json
from typing import Any, Final

from runtime.http.openapi import Header

NEXT_CURSOR: Final = "Foldline-Next-Cursor"
"""The header with the cursor of the next page, where the body has no place for it."""
NEXT_CURSOR_HEADER: Final = Header(NEXT_CURSOR, "Leads to the next page; absent on the last.")


class InvalidCursor(ValueError):
    """Text that is not a cursor of the list."""


def encode(kind: str, *parts: str | int) -> str:
    """Encode a place in the list `kind` as a cursor."""
    text = json.dumps([kind, *parts], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, kind: str, *types: type[str] | type[int]) -> tuple[Any, ...]:
    """Decode a cursor of the list `kind` into its parts, each of its type. Raises InvalidCursor."""
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError, binascii.Error):
        raise InvalidCursor(text) from None
    if not isinstance(values, list) or len(values) != len(types) + 1 or values[0] != kind:
        raise InvalidCursor(text)
    if not all(_is(value, type_) for value, type_ in zip(values[1:], types, strict=True)):
        raise InvalidCursor(text)
    return tuple(values[1:])


def _is(value: Any, type_: type[str] | type[int]) -> bool:
    if type_ is int:
        return type(value) is int and 0 <= value < 1 << 62
    # PostgreSQL takes no NUL, UTF-8 no lone surrogate: no cursor of ours has such text.
    return isinstance(value, str) and "\x00" not in value and value.encode(errors="replace").decode() == value
