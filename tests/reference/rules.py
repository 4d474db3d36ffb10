"""The rules of the sessions reference that say which bodies are facts, checked with plain JSON."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.reference.published import Published

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?")


class Bad(Exception):
    """A body that is no fact and has no effect."""


def need(condition: bool, why: str) -> None:
    if not condition:
        raise Bad(why)


def parse(body: bytes) -> Any:
    """Read JSON that can be stored: UTF-8, no NUL, no lone surrogate, finite numbers, 64 levels, 1 MiB."""
    need(len(body) <= 1 << 20, "too large")
    try:
        value = json.loads(
            (body or b"{}").decode(), parse_constant=_no_constant, parse_float=_finite, parse_int=_small
        )
    except (ValueError, RecursionError) as exc:
        raise Bad(str(exc)) from exc
    _check(value, 1)
    return value


def _no_constant(text: str) -> Any:
    raise ValueError(text)


def _finite(text: str) -> Decimal:
    number = float(text)
    need(abs(number) != float("inf"), "infinite")
    need(number != 0 or Decimal(text) == 0, "too small a number")
    return Decimal(text)


def _small(text: str) -> int:
    need(len(text.lstrip("-")) <= 4300, "too long a number")
    return int(text)


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str):
        need("\x00" not in value, "NUL")
        need(not any("\ud800" <= char <= "\udfff" for char in value), "lone surrogate")
    if isinstance(value, dict | list):
        need(depth <= 64, "too deep")
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            _check(item, depth + 1)


def event_time(body: Any, published: Published) -> datetime:
    """Return the body's timestamp, else the header's, else the store time; ten minutes ahead at most."""
    claimed = body.get("timestamp")
    if claimed is None:
        claimed = published.headers.get("Foldline-Time")
    if claimed is None:
        return published.stored_at
    at = _time(claimed)
    latest = published.stored_at + timedelta(seconds=600)
    need(at <= latest or published.headers.get("Foldline-Clock") == "own", "in the future")
    return min(at, latest)


def _time(text: Any) -> datetime:
    need(isinstance(text, str) and _RFC3339.fullmatch(text) is not None, "no time")
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError as exc:
        raise Bad("no time") from exc
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


Rule = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str)


def short(value: Any) -> bool:
    return isinstance(value, str) and len(value.encode()) <= 512


def name(value: Any) -> bool:
    return short(value) and value != ""


def texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def an_object(value: Any) -> bool:
    return isinstance(value, dict)


def measured(value: Any) -> bool:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return is_number and abs(value) < 2**1024 - 2**970


def whole(bits: int) -> Rule:
    return lambda value: (
        isinstance(value, int)
        and not isinstance(value, bool)
        and -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)
    )


def one_of(*words: str) -> Rule:
    return lambda value: value in words if isinstance(value, str) else False


REQUIRED: dict[str, dict[str, Rule]] = {
    "created": {"product": name, "version": name},
    "event": {"name": name},
    "metric": {"name": name, "value": measured},
}
MAY_BE_ABSENT: dict[str, dict[str, Rule]] = {
    "metric": {"type": one_of("gauge", "counter", "histogram", "timer")},
    "heartbeat": {"host_only": lambda value: isinstance(value, bool)},
    "crashed": {"reason": short, "cause": one_of("explicit", "machine_returned")},
}
MAY_BE_NULL: dict[str, dict[str, Rule]] = {
    "created": {"hostname": short, "machine_id": short},
    "event": {
        "level": one_of("debug", "info", "warning", "error", "critical"),
        "category": short,
        "group": short,
        "labels": texts,
        "message": text,
        "data": an_object,
        "stacktrace": lambda value: text(value) or texts(value),
        "exception_type": short,
        "exception_msg": text,
        "source_file": text,
        "source_line": whole(32),
        "source_function": text,
    },
    "metric": {
        "count": whole(64),
        "unit": short,
        "tags": lambda value: texts(value) or an_object(value),
        "metadata": an_object,
    },
    "crashed": {"machine_id": short},
}


def checked(published: Published) -> tuple[Any, datetime]:
    """Return body and event time of a fact. Raises Bad."""
    addressed(published)
    body, fact = parse(published.body), published.fact
    need(isinstance(body, dict), "not an object")
    if fact == "state":
        if not (isinstance(body.get("state"), dict) and set(body) <= {"state", "timestamp"}):
            body = {"state": body}
        return body["state"], event_time(body, published)
    for field, rule in REQUIRED.get(fact, {}).items():
        need(field in body and rule(body[field]), field)
    for field, rule in MAY_BE_ABSENT.get(fact, {}).items():
        need(field not in body or rule(body[field]), field)
    for field, rule in MAY_BE_NULL.get(fact, {}).items():
        need(body.get(field) is None or rule(body[field]), field)
    return body, event_time(body, published)


def addressed(published: Published) -> None:
    """Raises Bad for a subject that names no entity."""
    tokens = published.subject.split(".")
    need(len(tokens) == 5, "subject")
    need(all(re.fullmatch("[A-Za-z0-9_-]{1,128}", token) for token in tokens), "subject")


def readable(published: Published) -> None:
    """Raises Bad for a body that is none of its fact, whenever it says that happened."""
    ever = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    checked(replace(published, stored_at=ever, headers={}))
