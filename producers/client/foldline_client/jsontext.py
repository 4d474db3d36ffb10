"""Encodes whatever an application hands over as JSON that the line accepts.

The line takes no NaN, NUL, lone surrogate, number beyond a double, or nesting over 64 levels, and PostgreSQL
could not store them. Telemetry must not stop the program it watches, so values are converted, never refused:
non-finite numbers become the strings "NaN", "Infinity", "-Infinity", bad characters U+FFFD, sets lists,
dates ISO text, objects unknown to JSON their `str()`. What would not end is cut, with a marker in its place:
objects that hold themselves, too deep a nesting, and what would unfold to more than a fact may be.
"""

import json
import math
import numbers
import re
from collections.abc import Mapping, Set
from datetime import date, time
from enum import Enum
from itertools import islice
from typing import Any, Final

from foldline_client.options import MAX_BODY

MAX_DEPTH: Final = 60  # the line's 64, less what wraps a value
MAX_INDEXED: Final = 512
"""Longest name, category, group, unit or type, bytes: read models index them."""

CIRCULAR: Final = "<circular>"
CUT: Final = "<cut: too large>"
_MAX_CLEANED: Final = MAX_BODY - (1 << 16)  # bytes; less what closes the brackets of what is cut

_SUSPICIOUS: Final = re.compile(r"\\u0000|[0-9]{300}")
_BAD: Final = re.compile("[\x00\ud800-\udfff]")


def encode(value: Mapping[str, Any]) -> bytes:
    """Encode one JSON object as UTF-8. It is a snapshot: later changes of `value` do not matter."""
    try:
        if _ordinary(value):
            text = _FAST.encode(value)
            if not _SUSPICIOUS.search(text):
                return text.encode()
    except (TypeError, ValueError, RuntimeError):
        pass  # not plain JSON, or changed by another thread meanwhile
    return _FAST.encode(clean(value)).encode()


def clean(value: Any) -> Any:
    """Return a copy of `value` that the line accepts as JSON; only a single huge text may be too large."""
    return _Cleaning().copy(value)


class _Cleaning:
    """One copy in the making: the containers it is inside of, and the bytes it may still grow by."""

    def __init__(self) -> None:
        self._inside: set[int] = set()
        self._left = _MAX_CLEANED

    def copy(self, value: Any) -> Any:
        match value:
            case str():
                return self._paid(_BAD.sub("\ufffd", value))
            case None | bool():
                return self._paid(value)
            case int():
                return self._paid(int(value) if value.bit_length() < 990 else hex(value))
            case float():
                return self._paid(value if math.isfinite(value) else _FAST_NAN.encode(value))
            case list() | tuple() | Mapping():
                return self._container(value)
            case _:
                return self.copy(plain(value))

    def _paid(self, value: Any) -> Any:
        self._left -= len(_FAST.encode(value).encode()) + 1  # with its comma or colon
        return value

    def _container(self, value: Any) -> Any:
        if id(value) in self._inside:
            return self._paid(CIRCULAR)
        if len(self._inside) >= MAX_DEPTH:
            return self._paid(f"<{type(value).__name__}: nested too deep>")
        self._left -= 3
        self._inside.add(id(value))
        copied = self._mapping(value) if isinstance(value, Mapping) else self._list(value)
        self._inside.discard(id(value))
        return copied

    # Other threads may change a container while it is walked: its items are copied first, within the bound.

    def _mapping(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        copied: dict[str, Any] = {}
        for key, item in list(islice(value.items(), max(1, self._left))):
            if self._left <= 0:
                copied[CUT] = CUT
                break
            copied[self.copy(safe_str(key))] = self.copy(item)
        return copied

    def _list(self, value: list[Any] | tuple[Any, ...]) -> list[Any]:
        copied: list[Any] = []
        for item in list(islice(value, max(1, self._left))):
            if self._left <= 0:
                copied.append(CUT)
                break
            copied.append(self.copy(item))
        return copied


def plain(value: Any) -> Any:  # noqa: PLR0911 - a table of cases
    """Return the JSON-like value that stands for an object unknown to JSON."""
    match value:
        case Enum():
            return value.value
        case date() | time():
            return value.isoformat()
        case set() | frozenset():
            return list(value)
        case bytes() | bytearray():
            return value.decode(errors="replace")
        case Mapping():
            return dict(value)
        case numbers.Integral():
            return int(value)
        case numbers.Real():
            return float(value)
        case _:
            return safe_str(value)


def finite_number(value: Any) -> float | None:
    """Return a finite number: an integer, NumPy's included, as an integer, another as a double; else None."""
    try:
        number = float(value)  # takes NumPy's and Decimal's numbers too
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    return number if isinstance(value, bool) or not isinstance(value, numbers.Integral) else int(value)


def safe_str(value: object) -> str:
    """Return `str(value)`, or the name of its type where that fails."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def indexed(text: str) -> str:
    """Return `text`, cut to what read models can index."""
    if len(text) <= MAX_INDEXED // 4:
        return text
    cut = _BAD.sub("\ufffd", text).encode()[:MAX_INDEXED]
    return cut.decode(errors="ignore")


def _ordinary(value: Any) -> bool:
    """Whether the fast encoder can take it: neither deep nor huge once unfolded. Never takes long itself."""
    left, level = MAX_BODY, [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            left -= len(container) + 1
            if isinstance(container, dict):
                left -= sum(len(key) for key in container if type(key) is str)
                container = container.values()  # noqa: PLW2901 - looked through like a list
            for item in container:
                if type(item) is str:
                    left -= len(item)
                elif isinstance(item, (dict, list, tuple)):
                    below.append(item)
                elif isinstance(item, (Mapping, Set, Enum)):
                    return False  # the encoder would unfold it by way of `plain`
                if left < 0:
                    return False
        if not below:
            return True
        level = below
    return False


_FAST: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)
_FAST_NAN: Final = json.JSONEncoder()
