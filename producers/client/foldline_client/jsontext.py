"""JSON the line accepts, from whatever an application hands over.

The line takes no NaN, NUL, lone surrogate, number beyond a double, or nesting over 64 levels, and PostgreSQL
could not store them. Telemetry must not stop the program it watches, so values are converted, never refused:
non-finite numbers become the strings "NaN", "Infinity", "-Infinity", bad characters U+FFFD, sets lists,
dates ISO text, what is nested too deep or unknown to JSON its `str()`.
"""

import json
import math
import numbers
import re
from collections.abc import Mapping
from datetime import date, time
from enum import Enum
from typing import Any, Final

MAX_DEPTH: Final = 60  # the line's 64, less what wraps a value
MAX_INDEXED: Final = 512
"""Longest name, category, group, unit or type, bytes: read models index them."""

_SUSPICIOUS: Final = re.compile(r"\\u0000|[0-9]{300}")
_BAD: Final = re.compile("[\x00\ud800-\udfff]")


def encode(value: Mapping[str, Any]) -> bytes:
    """One JSON object as UTF-8; a snapshot, so what happens to `value` later does not matter."""
    try:
        text = _FAST.encode(value)
        body = text.encode()
    except (TypeError, ValueError, RuntimeError, RecursionError):
        pass  # not plain JSON, circular, or changed by another thread meanwhile
    else:
        deep = text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH
        if not deep and not _SUSPICIOUS.search(text):
            return body
    return _FAST.encode(clean(value)).encode()


def clean(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - a table of cases
    """A copy of `value` that is JSON the line accepts."""
    match value:
        case None | bool():
            return value
        case str():
            return _BAD.sub("\ufffd", value)
        case int():
            return int(value) if value.bit_length() < 990 else hex(value)
        case float():
            return value if math.isfinite(value) else _FAST_NAN.encode(value)
        case list() | tuple() | Mapping() if depth >= MAX_DEPTH:
            return f"<{type(value).__name__}: nested too deep>"
        case Mapping():
            return {clean(safe_str(key)): clean(item, depth + 1) for key, item in list(value.items())}
        case list() | tuple():
            return [clean(item, depth + 1) for item in list(value)]
        case _:
            return clean(plain(value), depth)


def plain(value: Any) -> Any:  # noqa: PLR0911 - a table of cases
    """The JSON-like value that stands for an object JSON does not know."""
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


def safe_str(value: object) -> str:
    """`str(value)`, or the type's name where that fails."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def indexed(text: str) -> str:
    """`text` cut to what read models can index."""
    if len(text) <= MAX_INDEXED // 4:
        return text
    cut = _BAD.sub("\ufffd", text).encode()[:MAX_INDEXED]
    return cut.decode(errors="ignore")


def _depth(value: Any, above: int = 0) -> int:
    if above > MAX_DEPTH or not isinstance(value, (Mapping, list, tuple)):
        return above
    items = value.values() if isinstance(value, Mapping) else value
    return max((_depth(item, above + 1) for item in list(items)), default=above + 1)


_FAST: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain)
_FAST_NAN: Final = json.JSONEncoder()
