"""The changes of a session between two points in time, as JSON."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_json

from projections.page_rows import PAGE_BYTES
from projections.sessions.differences import differences
from projections.sessions.session_replay import SessionReplay
from schemas.times import format_time


def session_diff(
    before: SessionReplay,
    after: SessionReplay,
    then: datetime,
    later: datetime,
    timeout: timedelta,
    *,
    limit: int,
) -> bytes:
    """Encode the changes from `before`, as of the time `then`, to `after`, as of `later`.

    At most `limit` events and `limit` metrics are listed, all are counted; of the state, as many differences
    as a page takes: each names its whole path. `timeout` is the silence after which a session is suspended.
    """
    passed = last_sequence(before)
    state, truncated = _listed(differences(_state(before), _state(after)))
    lists = {"events": after.events(passed), "metrics": after.metrics(passed)}
    head = {
        "id": after.key[1],
        "site": after.key[0],
        "from": _described(before, then),
        "to": _described(after, later),
        "fields": list(differences(before.fields(then, timeout), after.fields(later, timeout))),
        "state": state,
        "state_truncated": truncated,
        **{f"{name.removesuffix('s')}_count": len(found) for name, found in lists.items()},
    }
    listed = b"".join(
        b',"%b":[%b]' % (name.encode(), b",".join(found[:limit])) for name, found in lists.items()
    )
    return to_json(head)[:-1] + listed + b"}"


def last_sequence(replay: SessionReplay) -> int:
    """The sequence of the session's last fact; 0 before the first."""
    return replay.last.sequence if replay.last else 0


def _described(replay: SessionReplay, clock: datetime) -> dict[str, Any]:
    return {
        "at": format_time(clock),
        "sequence": replay.last.sequence if replay.last else None,
        "exists": replay.session is not None,
    }


def _state(replay: SessionReplay) -> dict[str, Any]:
    return replay.session.state if replay.session else {}


def _listed(found: Iterator[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
    """Return the first differences, up to the size of a page, and whether there are more."""
    listed: list[dict[str, Any]] = []
    size = 0
    for one in found:
        if size >= PAGE_BYTES:
            return listed, True
        listed.append(one)
        size += len(to_json(one))
    return listed, False
