"""Newest wins: of each name the value that happened last, in whatever order values arrive."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

Stamp = TypeVar("Stamp", int, tuple[int, int])
Value = TypeVar("Value")
Values = dict[str, Any]

ATTEMPTS_OWN: Final = frozenset({"error", "error_type"})
"""Names in the metadata that are about an attempt, not about its job."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Final = 86_400


def microseconds(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    since = at - _EPOCH
    return (since.days * _DAY + since.seconds) * 1_000_000 + since.microseconds


def merge_newest(
    values: Values, stamps: dict[str, Stamp], told: Mapping[str, Any], stamp: Stamp
) -> tuple[Values, dict[str, Stamp]]:
    """Return values and their stamps with what one event told; where it is the older one, it is passed over.

    Of equal stamps the later call wins. Names stay in their order, which no order of arrival shows in.
    """
    if not stamps:
        names = sorted(told)
        return {name: told[name] for name in names}, dict.fromkeys(names, stamp)
    newer = {name: value for name, value in told.items() if name not in stamps or stamp >= stamps[name]}
    return by_name(values, newer), by_name(stamps, dict.fromkeys(newer, stamp))


def by_name(values: dict[str, Value], newer: dict[str, Value]) -> dict[str, Value]:
    """Return values, which are in the order of their names, with newer ones in their places."""
    merged = values | newer
    return merged if len(merged) == len(values) else dict(sorted(merged.items()))


def of_job(metadata: Values) -> Values:
    """Return the metadata that are about a job as a whole."""
    if ATTEMPTS_OWN.isdisjoint(metadata):
        return metadata
    return {name: value for name, value in metadata.items() if name not in ATTEMPTS_OWN}


def of_attempt(metadata: Mapping[str, Any]) -> Values:
    """Return the metadata that are about one attempt."""
    return {name: value for name, value in metadata.items() if name in ATTEMPTS_OWN}
