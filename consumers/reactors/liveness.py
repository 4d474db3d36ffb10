"""Liveness: recoveries from a hang, and crashes that show when a machine returns.

A following reactor. It sees each session in order and judges by store times only, which its conclusions
carry as well: its own clock may be wrong, and the same conclusion is the same fact. It keeps nothing but its
checkpoint: what it must know is in the sessions read model, for which it waits where that matters. What it
publishes carries an id derived from the cause and expects the session's last sequence, so that the same
conclusion drawn again, by another replica or tomorrow, changes nothing.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from nats.aio.client import Client

from consumers.engine.handler import NotYet
from consumers.reactors.declaration import Conclude, Following, Resources
from consumers.reactors.newest_messages import newest_heartbeat, newest_of_partitions
from line.progress import Progress
from line.raw_event import RawEvent
from producers.publishing.publisher import Conflict, Publisher, PublishError
from projections.projection import Key
from projections.recorded import Recorded, decode, read_level
from projections.sessions.liveness import OpenSession, hung_sessions, sessions_of_machine
from runtime.database.connections import Connection
from schemas.facts import Fact
from schemas.positions import Position
from schemas.sessions.facts import HUNG, SessionCreated, SessionEvent, SessionHeartbeat
from schemas.sessions.recovery import machine_returned, recovered
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.subjects import partition_of
from schemas.validation import InvalidFact

logger = logging.getLogger("foldline.liveness")

_READ_MODEL_WAIT_S: Final = 10.0  # how far the read model may be behind before the batch is tried again
_TRIES: Final = 20  # facts of the session itself may overtake a conclusion that often
_SESSIONS: Final = "sessions"
_HANG: Final = HUNG.encode()


class Liveness:
    """Publishes `application_recovered`, and crashes of sessions whose machine has begun a new one.

    `timeout`: the seconds of silence after which a session may have crashed.
    """

    def __init__(
        self, nc: Client, publisher: Publisher, progress: Progress, *, partitions: int, timeout: float
    ) -> None:
        self._nc = nc
        self._publisher = publisher
        self._progress = progress
        self._partitions = partitions
        self._timeout = timedelta(seconds=timeout)

    async def conclude(self, conn: Connection, events: Sequence[RawEvent]) -> None:
        """Draw the conclusions of a batch. Raises NotYet."""
        valid = list(_decoded(events))
        await self._recover(conn, valid)
        await self._judge_machines(conn, valid)

    async def _recover(self, conn: Connection, events: list[Recorded]) -> None:
        """Publish a recovery for each hang with a heartbeat stored after it, whichever stream is ahead."""
        beats: dict[Key, datetime] = {}
        hangs = [event for event in events if _is_hang(event)]
        await self._wait_for_read_model([Position(e.stream, e.partition, e.sequence) for e in hangs])
        for event in hangs:
            # The heartbeat may have come in an earlier batch: the line has the newest.
            beat = await newest_heartbeat(self._nc, event.key, self._partitions)
            if beat and _is_of_application(beat.body):
                beats[event.key] = beat.stored_at
        for event in events:
            if event.subject.fact == "heartbeat" and not cast(SessionHeartbeat, event.body).host_only:
                beats[event.key] = max(beats.get(event.key, event.stored_at), event.stored_at)
        if not beats:
            return
        for hung in await hung_sessions(conn, beats):
            await self._recover_one(conn, hung.key, beats[hung.key])

    async def _recover_one(self, conn: Connection, key: Key, beat: datetime) -> None:
        overtaken_by = 0
        for _ in range(_TRIES):
            hung = next(iter(await hung_sessions(conn, [key])), None)
            if hung is None or beat <= hung.hung_stored_at:
                return
            fact = recovered(*key, hung.hung_seq, beat)
            overtaken_by = await self._publish(fact, max(hung.last_seq, overtaken_by))
            if not overtaken_by:
                return
        raise NotYet(f"session {key[1]} at {key[0]}: its own facts keep overtaking the recovery")

    async def _judge_machines(self, conn: Connection, events: list[Recorded]) -> None:
        """Publish a crash for each session that was silent for `timeout` when its machine began a new one."""
        returns = [event for event in events if event.subject.fact == "created" and _machine_id(event)]
        if not returns:
            return
        await self._wait_for_read_model(await newest_of_partitions(self._nc, self._partitions))
        for created in returns:
            for session in await _older_sessions(conn, created):
                await self._judge(conn, session, created)

    async def _judge(self, conn: Connection, session: OpenSession, created: Recorded) -> None:
        overtaken_by = 0
        for _ in range(_TRIES):
            beat = await newest_heartbeat(self._nc, session.key, self._partitions)
            if beat is None or beat.stored_at >= created.stored_at - self._timeout:
                return  # alive then, or since: the line keeps no older heartbeats
            fact = machine_returned(*session.key, _machine_id(created), created.sequence, created.stored_at)
            overtaken_by = await self._publish(fact, max(session.last_seq, overtaken_by))
            if not overtaken_by:
                return
            again = [other for other in await _older_sessions(conn, created) if other.key == session.key]
            if not again:
                return
            session = again[0]
        raise NotYet(f"session {session.key[1]} at {session.key[0]}: its own facts keep overtaking the crash")

    async def _publish(self, fact: Fact, expected_last: int) -> int:
        """Publish a conclusion; returns 0 when it is on the line.

        Otherwise returns the sequence of the session's fact that overtook it, once the read model has passed
        that. It is expected next time even where the row does not show it: a rejected fact counts on the line
        as well.
        """
        try:
            await self._publisher.publish(fact, expected_last=expected_last)
        except Conflict as conflict:
            part = partition_of(fact.subject.id, self._partitions)
            await self._wait_for_read_model([Position(SESSIONS.name, part, conflict.last)])
            return conflict.last
        except PublishError as exc:
            raise NotYet(f"cannot publish a conclusion: {exc}") from exc
        logger.info("%s: %s", fact.subject, fact.message_id)
        return 0

    async def _wait_for_read_model(self, positions: Sequence[Position]) -> None:
        if positions and not await self._progress.wait(_SESSIONS, positions, _READ_MODEL_WAIT_S):
            raise NotYet(f"the sessions read model is more than {_READ_MODEL_WAIT_S:g} s behind")


def _decoded(events: Iterable[RawEvent]) -> Iterable[Recorded]:
    for raw in events:
        if not _may_matter(raw):
            continue
        try:
            yield decode(raw)
        except InvalidFact:
            continue  # the projector records it


async def _older_sessions(conn: Connection, created: Recorded) -> list[OpenSession]:
    return await sessions_of_machine(
        conn, _machine_id(created), created=created.key, created_seq=created.sequence
    )


def _may_matter(raw: RawEvent) -> bool:
    """Whether an event may lead to a conclusion: most are ruled out without reading them as JSON."""
    fact = raw.subject.rpartition(".")[2]
    if fact == "event":
        return _HANG in raw.body or b"\\u" in raw.body  # any letter may be written as an escape
    return fact in ("heartbeat", "created")


def _is_hang(event: Recorded) -> bool:
    return event.subject.fact == "event" and cast(SessionEvent, event.body).name == HUNG


def _is_of_application(heartbeat: bytes) -> bool:
    body, _ = read_level("session", "heartbeat", heartbeat)
    return not cast(SessionHeartbeat, body).host_only


def _machine_id(event: Recorded) -> str:
    return cast(SessionCreated, event.body).machine_id or ""


def _conclude_of(resources: Resources) -> Conclude:
    return Liveness(
        resources.nc,
        resources.publisher,
        resources.progress,
        partitions=resources.settings.partitions,
        timeout=resources.settings.heartbeat_timeout,
    ).conclude


LIVENESS: Final = Following(
    name="liveness",
    about="publishes recoveries from a hang, and crashes that show when a machine returns",
    streams=(SESSIONS, HEARTBEATS),
    linger=0.25,  # it judges silence of many seconds
    make=_conclude_of,
)
