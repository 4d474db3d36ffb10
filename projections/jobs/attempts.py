"""The attempts of a job: each `started` begins one, and what happened until the next belongs to it.

Events count in the order (event time, position in the line), whatever order they arrive in. Here an event is
applied that comes next in that order, or that changes nothing but the newest attempt; for others the attempts
are folded again from all events (`refold`).

- A `started` fills in the begin of an attempt that others opened; behind an end, or behind another `started`,
  it begins another attempt. The one before is lost if it never ended.
- The end of an attempt is the newest one that says how it ended. A bare `finished`, as a `finally:` block
  sends it, counts only without such.
- An end that happened before its `started`, because clocks differ, belongs to that attempt: see `fits`.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from projections.jobs.newest import ATTEMPTS_OWN, merge_newest, microseconds, of_attempt
from projections.jobs.state import JobState
from schemas.jobs.facts import Kind, Status

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
CLOCKS_DIFFER: Final = timedelta(seconds=600)
"""The most that two hosts' clocks differ: no event may be further in the future."""


class Told(Protocol):
    """What an event tells of an attempt: a fact, or its row."""

    @property
    def kind(self) -> Kind: ...
    @property
    def status(self) -> Status | None: ...
    @property
    def started_at(self) -> datetime | None: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def metrics(self) -> dict[str, Any]: ...
    @property
    def metadata(self) -> dict[str, Any]: ...
    @property
    def outcome(self) -> Status | None: ...


Attempt = tuple[Any, ...]
"""An attempt that is over: the columns of its row behind the key of its job."""


def moment_of(told: Told, at: datetime, outcome: Status | None) -> datetime:
    """Return when an event counts: a begin or an end at the time that it tells, unless that is to come."""
    when = told.started_at if told.kind == "started" else told.ended_at if outcome is not None else None
    return at if when is None else min(when, at)


def fits(begun_at: datetime, ended_at: datetime, told: Told) -> bool:
    """Whether an end may belong to an attempt that began later and was known before, by differing clocks."""
    return begun_at - begin_told_by(told, ended_at) <= CLOCKS_DIFFER


def begin_told_by(told: Told, ended_at: datetime) -> datetime:
    """Return when an attempt began as its end tells it: by the time or the duration, else when it ended."""
    if told.started_at is not None:
        return min(told.started_at, ended_at)
    # No time is before the year 1, though a duration may say so.
    took = timedelta(seconds=float(told.metrics.get("duration_s", 0.0)))
    return ended_at - min(took, ended_at - _EARLIEST)


def tells_begin(told: Told) -> bool:
    """Whether an end tells when its attempt began."""
    return told.started_at is not None or "duration_s" in told.metrics


def advance(state: JobState, sequence: int, at: datetime, told: Told) -> tuple[bool, Attempt | None]:
    """Apply an event to the newest attempt.

    Returns whether that was possible, and the attempt before if this event began another one.
    """
    outcome = told.outcome
    moment = moment_of(told, at, outcome)
    if told.kind == "started":
        return _started(state, sequence, at, moment, told)
    if state.begun_at is not None and moment < state.begun_at:
        if outcome is not None:
            if state.attempts > 1 or not fits(state.begun_at, moment, told):
                return False, None
            end(state, state.begun_at, told.ended_at or at, told, outcome)
            tell(state, at, told)
            return True, None
        if state.attempts > 1:
            return not tells_attempt(told), None
    elif outcome is not None:
        end(state, moment, told.ended_at or at, told, outcome)
    tell(state, at, told)
    return True, None


def _started(
    state: JobState, sequence: int, at: datetime, moment: datetime, told: Told
) -> tuple[bool, Attempt | None]:
    before = None
    if state.begun_at is not None or (state.first_end_at is not None and state.first_end_at <= moment):
        if state.newest_at is not None and moment < state.newest_at:
            return False, None
        before = close(state)
    begin(state, sequence, moment)
    tell(state, at, told)
    return True, before


def tells_attempt(told: Told) -> bool:
    """Whether an event that is no begin and no end says anything of an attempt."""
    return bool(told.metrics or told.started_at) or not ATTEMPTS_OWN.isdisjoint(told.metadata)


def begin(state: JobState, sequence: int, moment: datetime) -> None:
    """Let the newest attempt begin."""
    state.begun_seq, state.begun_at = sequence, moment
    if not state.start_told:
        state.started_at = moment


def end(state: JobState, moment: datetime, ended_at: datetime, told: Told, outcome: Status) -> None:
    """Let the newest attempt end, unless it has an end that counts more."""
    explicit = told.kind != "finished" or told.status is not None
    if state.first_end_at is None or moment < state.first_end_at:
        state.first_end_at = moment
    if state.end_at is None or (explicit, moment) >= (state.end_explicit, state.end_at):
        state.end_at, state.end_explicit = moment, explicit
        state.ended_at, state.status = ended_at, outcome


def tell(state: JobState, at: datetime, told: Told) -> None:
    """Take in what an event tells of the newest attempt."""
    tell_begin(state, told)
    if told.metrics:
        stamp = microseconds(at)
        state.metrics, state.metric_times = merge_newest(
            state.metrics, state.metric_times, told.metrics, stamp
        )
    if told.metadata and not ATTEMPTS_OWN.isdisjoint(told.metadata):
        own = of_attempt(told.metadata)
        state.metadata, state.metadata_times = merge_newest(
            state.metadata, state.metadata_times, own, microseconds(at)
        )


def tell_begin(state: JobState, told: Told) -> None:
    """Take in when an event tells that the newest attempt began: the earliest counts."""
    if (begun := told.started_at) is not None:
        state.started_at = begun if not state.start_told else min(begun, state.started_at or begun)
        state.start_told = True


def close(state: JobState) -> Attempt:
    """Return the newest attempt as it is, and make room for another one."""
    is_lost = state.ended_at is None or state.is_lost
    own = of_attempt(state.metadata)
    attempt = (
        state.begun_seq,
        state.begun_at,
        state.started_at,
        state.ended_at,
        "lost" if is_lost else state.status,
        state.duration_s,
        own,
        state.metrics,
    )
    state.remember(state.ended)
    state.attempts += 1
    state.lost_before += is_lost
    state.failed_before += state.status == "failed" and not is_lost
    _clear(state, own)
    return attempt


def clear_all(state: JobState) -> None:
    """Forget all attempts, to fold them again; the names of their metrics stay known."""
    state.remember(None)
    state.attempts, state.lost_before, state.failed_before = 1, 0, 0
    _clear(state, of_attempt(state.metadata))


def _clear(state: JobState, own: dict[str, Any]) -> None:
    state.status = "running"
    state.begun_seq, state.begun_at, state.started_at, state.start_told = 0, None, None, False
    state.first_end_at = state.end_at = state.ended_at = None
    state.end_explicit = False
    if state.metrics:
        state.metrics = {}
    if state.metric_times:
        state.metric_times = dict.fromkeys(state.metric_times, 0)
    if own:
        state.metadata = {name: value for name, value in state.metadata.items() if name not in own}
        state.metadata_times = state.metadata_times | dict.fromkeys(own, 0)
