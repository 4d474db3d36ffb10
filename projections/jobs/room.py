"""The room that the metrics and metadata of a job may take: decided in the order of the line.

Each name counts with the most it ever took, so that the sum only grows: an event that was accepted stays
accepted, whatever arrives later or late.
"""

from collections.abc import Mapping
from typing import Any, Final

from projections.binary_copy import json_text
from projections.jobs.state import JobState
from schemas.jobs.facts import JobFact
from schemas.validation import InvalidFact

MOST_ROOM: Final = 4 << 20
"""The most bytes: four times a fact, since some numbers are longer as they are served than as they came."""
_USUAL: Final = 128  # bytes that a name and its value count with unless they take more
_SHORT: Final = 12  # characters of a name, or a text, that take no more with any other such, however escaped


def take_room(state: JobState, body: JobFact) -> dict[str, int]:
    """Return the names that take much room after an event. Raises InvalidFact if it would be too much."""
    large = state.large
    for told in (body.metrics, body.metadata):
        if told:
            large = _grown(large, told)
    names = len(state.metric_times) + len(state.metadata_times) + len(body.metrics) + len(body.metadata)
    if _USUAL * names + (sum(large.values()) if large else 0) > MOST_ROOM:  # at most that many names
        _refuse_more(state, body, large)
    return large


def _refuse_more(state: JobState, body: JobFact, large: dict[str, int]) -> None:
    names = len(state.metric_times.keys() | body.metrics) + len(state.metadata_times.keys() | body.metadata)
    taken = _USUAL * names + sum(large.values())
    before = _USUAL * (len(state.metric_times) + len(state.metadata_times)) + sum(state.large.values())
    if taken > MOST_ROOM and taken > before:
        raise InvalidFact(
            "too_large",
            f"metrics and metadata of the job would take {taken} bytes, at most {MOST_ROOM} are allowed",
        )


def _grown(large: dict[str, int], told: Mapping[str, Any]) -> dict[str, int]:
    grown = {}
    for name, value in told.items():
        short = len(name) <= _SHORT and (
            type(value) is float or (type(value) is str and len(value) <= _SHORT)
        )
        if not short:
            size = len(json_text(value).encode()) + len(name.encode()) - _USUAL
            if size > large.get(name, 0):
                grown[name] = size
    return large | grown if grown else large
