"""Status, pause and resumption of reactors.

Pauses are kept in PostgreSQL: no NATS is needed to pause, and nothing that restarts ends a pause. Consumers
follow within two seconds; what a reactor has in hand at that moment it finishes.
"""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NamedTuple

import psycopg
from nats.aio.client import Client
from psycopg.rows import TupleRow

from consumers.control.pause import pause, resume
from consumers.reactors.catalogue import REACTOR_NAMES, REACTORS
from consumers.reactors.declaration import Following, Reactor, Task, has_streams, variable_of
from line.durables import find_durable
from line.problems import StreamGone
from line.status import FollowerStatus
from runtime.database.connections import Connection
from runtime.database.engine.operator_reason import checked_reason
from runtime.database.engine.queries import engine_queries
from runtime.problems import Problem
from runtime.settings.line import LineSettings
from schemas.reactors import FailingEvent, Failure, Pause, ReactorState, ReactorStatus

_QUERIES: Final = engine_queries()
_SILENT: Final = timedelta(seconds=10)
"""How long after its last word a consumer counts as one that runs its reactors."""
_MOST: Final = 10


class _Noted(NamedTuple):
    """The row of a reactor. `fails`: it has failed since it last succeeded."""

    running: bool = False
    paused: str | None = None
    paused_at: str | None = None
    succeeded_at: str | None = None
    failed_at: str | None = None
    failure: str | None = None
    fails: bool = False


class _Notes(NamedTuple):
    """All that PostgreSQL knows of reactors, by name."""

    rows: dict[str, _Noted]
    pauses: dict[str, Pause]
    failing: defaultdict[str, list[FailingEvent]]
    totals: dict[str, int]


def reactor_named(name: str) -> Reactor:
    """Return a reactor by its name. Raises Problem."""
    for reactor in REACTORS:
        if reactor.name == name:
            return reactor
    raise Problem(f"no reactor {name[:100]!r}: known are {', '.join(REACTOR_NAMES)}")


async def pause_reactor(conn: Connection, name: str, reason: str) -> bool:
    """Pause a reactor; returns whether it was not paused for this reason before.

    Raises Problem for a name that is unknown, and for a reason that is empty, too long or contains NUL.
    """
    if isinstance(reactor_named(name), Following):
        return await pause(conn, name, reason) > 0
    values = {"name": name, "reason": checked_reason("a pause", reason)}
    return await (await conn.execute(_QUERIES["pause-reactor"], values)).fetchone() is not None


async def resume_reactor(conn: Connection, name: str) -> bool:
    """Let a reactor go on from where it is; returns whether it was paused. Raises Problem."""
    if isinstance(reactor_named(name), Following):
        return await resume(conn, name) > 0
    return await (await conn.execute(_QUERIES["resume-reactor"], {"name": name})).fetchone() is not None


async def reactor_statuses(
    nc: Client,
    conn: Connection,
    settings: LineSettings,
    followers: Iterable[FollowerStatus] = (),
    reactors: Iterable[Reactor] = REACTORS,
) -> list[ReactorStatus]:
    """Return the status of each of the `reactors` whose streams this line has.

    `followers` know the lag of following ones. Raises StreamUnavailable, psycopg.Error.
    """
    notes = await _read_notes(conn)
    pending: dict[str, int | None] = {one.name: sum(one.lag_events.values()) for one in followers}
    here = [reactor for reactor in reactors if has_streams(reactor, settings)]
    for reactor in here:
        if isinstance(reactor, Task):
            found = None
            with suppress(StreamGone):
                found = await find_durable(nc, reactor.durable)
            pending[reactor.name] = found.pending if found else None
    return [_status(reactor, notes, pending.get(reactor.name)) for reactor in here]


def _status(reactor: Reactor, notes: _Notes, pending: int | None) -> ReactorStatus:
    name = reactor.name
    noted = notes.rows.get(name, _Noted())
    failed = noted.failure is not None and noted.failed_at is not None
    return ReactorStatus(
        name=name,
        kind=reactor.kind,
        about=reactor.about,
        state=_state(reactor, noted, paused=name in notes.pauses, failing=name in notes.failing),
        streams=[stream.name for stream in reactor.streams],
        setting=variable_of(reactor),
        period_s=reactor.period_s,
        paused=notes.pauses.get(name),
        pending=pending,
        last_success=noted.succeeded_at,
        last_failure=Failure(error=noted.failure or "", at=noted.failed_at or "") if failed else None,
        failing=notes.failing.get(name, []),
        failing_total=notes.totals.get(name, 0),
    )


def _state(reactor: Reactor, noted: _Noted, *, paused: bool, failing: bool) -> ReactorState:
    if paused:
        return "paused"
    if not noted.running:
        return "not running"
    # A task's single failure is repaired by redelivery; what fails again and again is in `failing`.
    if failing or (noted.fails and not isinstance(reactor, Task)):
        return "failing"
    return "running"


async def _read_notes(conn: Connection) -> _Notes:
    notes = _Notes({}, {}, defaultdict(list), {})
    with suppress(psycopg.errors.UndefinedTable):  # consumers of an older program installed the engine
        for name, *rest in await _rows(conn, "reactors", within=_SILENT):
            notes.rows[name] = noted = _Noted(*rest)
            if noted.paused is not None:
                notes.pauses[name] = Pause(reason=noted.paused, since=noted.paused_at or "")
        for name, stream, seq, subject, tries, error, at, total in await _rows(
            conn, "failing-events", most=_MOST
        ):
            notes.totals[name] = total
            notes.failing[name].append(
                FailingEvent(stream=stream, sequence=seq, subject=subject, tries=tries, error=error, at=at)
            )
    for follower, reason, since in await _rows(conn, "paused-followers"):
        notes.pauses[follower] = Pause(reason=reason, since=since)
    return notes


async def _rows(conn: Connection, query: str, **values: Any) -> list[TupleRow]:
    return await (await conn.execute(_QUERIES[query], values)).fetchall()
