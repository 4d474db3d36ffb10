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
_USUAL: Final = 64  # bytes that a name and its value count with unless they take more


def take_room(state: JobState, body: JobFact) -> dict[str, int]:
    """Return the names that take much room after an event. Raises InvalidFact if it would be too much."""
    large = state.large
    for told in (body.metrics, body.metadata):
        large = _grown(large, told)
    names = len(state.metric_times.keys() | body.metrics) + len(state.metadata_times.keys() | body.metadata)
    taken = _USUAL * names + sum(large.values())
    if taken > MOST_ROOM and taken > room_taken(state):
        raise InvalidFact(
            "too_large",
            f"metrics and metadata of the job would take {taken} bytes, at most {MOST_ROOM} are allowed",
        )
    return large


def room_taken(state: JobState) -> int:
    """Return the bytes that a job takes so far."""
    return _USUAL * (len(state.metric_times) + len(state.metadata_times)) + sum(state.large.values())


def _grown(large: dict[str, int], told: Mapping[str, Any]) -> dict[str, int]:
    grown = {}
    for name, value in told.items():
        if type(value) is not float or len(name) > _USUAL // 4:
            size = len(json_text(value).encode()) + len(name.encode()) - _USUAL
            if size > large.get(name, 0):
                grown[name] = size
    return large | grown if grown else large
