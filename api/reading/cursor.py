"""Cursors: where a page ended, opaque to clients, bound to the list it came from."""

import base64
import binascii
import json
from typing import Any


class InvalidCursor(ValueError):
    """Text that is no cursor of this list."""


def encode(kind: str, *parts: str | int) -> str:
    """A cursor of the list `kind`."""
    text = json.dumps([kind, *parts], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, kind: str, *types: type[str] | type[int]) -> tuple[Any, ...]:
    """The parts of a cursor of the list `kind`, each of its type. Raises InvalidCursor."""
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
    # PostgreSQL takes no NUL, UTF-8 no lone surrogate: such text was never ours.
    return isinstance(value, str) and "\x00" not in value and value.encode(errors="replace").decode() == value
