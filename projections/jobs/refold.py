"""Folding the attempts of a job again, from all of its events in the order of their moments."""

from bisect import insort
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec import Struct

from projections.jobs.attempts import (
    CLOCKS_DIFFER,
    Attempt,
    Told,
    begin,
    begin_told_by,
    clear_all,
    close,
    end,
    fits,
    tell_begin,
    tells_begin,
)
from projections.jobs.newest import Values, by_name, merge_newest, microseconds, of_attempt
from projections.jobs.state import JobState
from schemas.jobs.facts import Kind, Status, outcome_of

_Stamps = dict[str, tuple[int, int]]
_FIELDS: Final = ("metrics", "metadata")


class StoredHappening(Struct, frozen=True):
    """The row of an event, read as what it tells of an attempt."""

    kind: Kind
    status: Status | None
    started_at: datetime | None
    ended_at: datetime | None
    metrics: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def outcome(self) -> Status | None:
        """The status that this event ends an attempt with; None if the attempt goes on."""
        return outcome_of(self.kind, self.status)


class _Step(NamedTuple):
    moment: datetime
    sequence: int
    at: datetime
    told: Told
    is_settled: bool = False  # its attempt is known


class Refold:
    """Folds the attempts of one job again: `add` each of its events by (moment, sequence), then `finish`.

    The state that comes of it is the one that was given, changed. An end waits until it is known whether a
    begin follows that it fits.
    """

    def __init__(self, state: JobState) -> None:
        self._state = state
        self._known = dict.fromkeys(state.metric_times, 0)
        clear_all(state)
        self._is_open = False
        self._waiting: list[_Step] = []  # from the first end whose attempt is not decided
        self._told: dict[str, tuple[Values, _Stamps]] = {}
        self._begin_telling()
        self.attempts: list[Attempt] = []

    def add(self, sequence: int, at: datetime, moment: datetime, told: Told) -> None:
        """Add the next event."""
        step = _Step(moment, sequence, at, told)
        if told.kind == "started":
            self._begin(step)
            return
        while self._waiting and moment - self._waiting[0].moment > CLOCKS_DIFFER:
            self._apply(self._waiting.pop(0))
        if self._waiting or told.outcome is not None:
            insort(self._waiting, step)
        else:
            self._apply(step)

    def finish(self) -> JobState:
        """Return the state after all events."""
        for step in self._waiting:
            self._apply(step)
        self._end_telling()
        return self._state

    def _begin(self, started: _Step) -> None:
        ahead = []
        for step in self._waiting:
            if self._belongs_to(step, started):
                ahead.append(step)
            else:
                self._apply(step)
        state = self._state
        if state.begun_at is not None or state.first_end_at is not None:
            self._end_telling()
            self.attempts.append(close(state))
            self._begin_telling()
        begin(state, started.sequence, started.moment)
        self._tell(started)
        # They count at its begin, among what else happened then.
        self._waiting = sorted(step._replace(moment=started.moment, is_settled=True) for step in ahead)

    def _belongs_to(self, step: _Step, started: _Step) -> bool:
        """Whether an end belongs to the attempt that begins behind it."""
        if step.told.outcome is None or step.is_settled or started.sequence > step.sequence:
            return False
        if not fits(started.moment, step.moment, step.told):
            return False
        begun_at = self._state.begun_at
        if begun_at is None or self._state.first_end_at is not None:
            return True
        if not tells_begin(step.told):
            return False
        told = begin_told_by(step.told, step.moment)
        return abs(started.moment - told) < abs(begun_at - told)

    def _apply(self, step: _Step) -> None:
        if (outcome := step.told.outcome) is not None:
            end(self._state, step.moment, step.told.ended_at or step.at, step.told, outcome)
        self._tell(step)

    def _tell(self, step: _Step) -> None:
        told = step.told
        tell_begin(self._state, told)
        stamp = microseconds(step.at), step.sequence
        for name, values in zip(_FIELDS, (told.metrics, of_attempt(told.metadata)), strict=True):
            if values:
                self._told[name] = merge_newest(*self._told[name], values, stamp)

    def _begin_telling(self) -> None:
        self._told = {name: ({}, {}) for name in _FIELDS}

    def _end_telling(self) -> None:
        """Write what the events of an attempt told into the state."""
        state = self._state
        (state.metrics, metrics), (own, metadata) = (self._told[name] for name in _FIELDS)
        self._known = by_name(self._known, dict.fromkeys(metrics, 0))
        state.metric_times = self._known | _times(metrics)
        state.metadata = by_name(state.metadata, own)
        state.metadata_times = by_name(state.metadata_times, _times(metadata))


def _times(stamps: _Stamps) -> dict[str, int]:
    return {name: at for name, (at, _) in stamps.items()}
