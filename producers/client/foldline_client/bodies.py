"""The bodies of session facts, as the sessions reference documents them. Absent values are left out."""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypedDict, Unpack

from foldline_client.jsontext import encode, finite_number, indexed, safe_str

METRIC_TYPES: Final = ("gauge", "counter", "histogram", "timer")
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
_LEVEL_ALIASES: Final = {"warn": "warning", "fatal": "critical", "exception": "error"}

Tags = Iterable[str] | Mapping[str, Any]


class EventFields(TypedDict, total=False):
    """The fields of an event beside its name and time. None counts as absent."""

    level: str | None
    category: str | None
    group: str | None
    labels: Iterable[str] | None
    message: str | None
    data: Mapping[str, Any] | None
    stacktrace: Iterable[str] | None
    exception_type: str | None
    exception_msg: str | None
    source_file: str | None
    source_line: int | None
    source_function: str | None


def required(name: str, value: object) -> str:
    """Return a text that must be there, cut to what can be indexed. Raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return indexed(value)


def level_of(level: str | None) -> str | None:
    """Return the documented word for a log level in any case. Raises ValueError for an unknown one."""
    if level is None:
        return None
    word = level.lower()
    word = _LEVEL_ALIASES.get(word, word)
    if word not in LEVELS:
        raise ValueError(f"level {level!r} is not one of {', '.join(LEVELS)}")
    return word


def mapping(name: str, value: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return an optional JSON object. Raises TypeError for anything else."""
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}")
    return value


def integer(name: str, value: int | None) -> int | None:
    """Return an optional whole number, NumPy's included. Raises TypeError for anything else."""
    if value is None or type(value) is int:
        return value
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, not {type(value).__name__}") from None


def texts(values: Iterable[object] | None) -> list[str] | None:
    """Return a list of strings; a single string becomes a list of one."""
    if values is None:
        return None
    return [values] if isinstance(values, str) else [safe_str(value) for value in values]


def state_body(patch: Mapping[str, Any]) -> bytes:
    """Encode a state patch. Raises TypeError for anything but a mapping."""
    if not isinstance(patch, Mapping):
        raise TypeError(f"a state must be a dict, not {type(patch).__name__}")
    # Only {"state": {…}, "timestamp": …} could be taken for the documented wrapper: wrapped, it is exact.
    if isinstance(patch.get("state"), Mapping) and patch.keys() <= {"state", "timestamp"}:
        return encode({"state": patch})
    return encode(patch)


def event_body(name: str, *, time: str, **fields: Unpack[EventFields]) -> bytes:
    """Encode an event. Raises TypeError or ValueError for a name, level or data of the wrong kind."""
    body = {"timestamp": time, "name": required("name", name)}
    for field, value in fields.items():
        if value is not None:
            body[field] = _EVENT_FIELDS[field](value)
    return encode(body)


def metric_body(
    name: str,
    value: float,
    *,
    time: str,
    metric_type: str = "gauge",
    tags: Tags | None = None,
    count: int | None = None,
    unit: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> bytes | None:
    """Encode a metric; None if its value is not finite. Raises TypeError or ValueError for the rest."""
    if metric_type not in METRIC_TYPES:
        raise ValueError(f"metric_type {metric_type!r} is not one of {', '.join(METRIC_TYPES)}")
    name = required("name", name)
    if (number := finite_number(value)) is None:
        return None
    fields = {
        "timestamp": time,
        "name": name,
        "type": metric_type,
        "value": number,
        "tags": tags if isinstance(tags, Mapping) else texts(tags),
        "count": integer("count", count),
        "unit": _indexed(unit),
        "metadata": mapping("metadata", metadata),
    }
    return encode({key: value for key, value in fields.items() if value is not None})


def _indexed(value: object) -> str | None:
    return None if value is None else indexed(safe_str(value))


def _text(value: object) -> str | None:
    return None if value is None else safe_str(value)


_EVENT_FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "level": level_of,
    "category": _indexed,
    "group": _indexed,
    "labels": texts,
    "message": _text,
    "data": lambda value: mapping("data", value),
    "stacktrace": texts,
    "exception_type": _indexed,
    "exception_msg": _text,
    "source_file": _text,
    "source_line": lambda value: integer("source_line", value),
    "source_function": _text,
}
