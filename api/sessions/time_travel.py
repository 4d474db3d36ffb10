"""Time travel: a session as it was, and what changed in between, folded from the line."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from nats.errors import Error

from api.reading.places import a_place
from api.reading.points_in_time import PointInTime
from api.reading.reader import Reader
from api.sessions.session_diff import last_sequence, session_diff
from line.entity_history import stored_events
from line.problems import StreamUnavailable
from line.raw_event import RawEvent
from projections.sessions.session_replay import SessionReplay
from projections.sessions.views import SessionViews
from runtime.compat.nats_client import BusClient
from runtime.http.errors import HttpProblem, unavailable
from runtime.process.time_slice import TimeSlice
from schemas.errors import ErrorCode
from schemas.positions import Position
from schemas.sessions.streams import HEARTBEATS, SESSIONS
from schemas.stored_subjects import entity_filter
from schemas.subjects import partition_of
from schemas.times import format_time

logger = logging.getLogger("foldline.time_travel")

_MOST_FACTS: Final = 100_000
_MOST_BYTES: Final = 64 << 20
_AT_ONCE: Final = 2  # sessions folded
_PARKED_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class PastSession:
    """The document of a session in chunks, and the position it reflects."""

    chunks: Iterator[bytes]
    position: str


@dataclass(frozen=True, slots=True)
class TimeTravelAnswer:
    """JSON, and the position it reflects."""

    body: bytes
    position: str


class TimeTravel:
    """Folds one session's facts up to a point in time, within bounds on facts, bytes and sessions at once."""

    def __init__(self, nc: BusClient, reader: Reader, views: SessionViews) -> None:
        self._nc = nc
        self._reader = reader
        self._views = views
        self._partitions = reader.settings.partitions
        self._timeout = timedelta(seconds=reader.settings.heartbeat_timeout)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def document(
        self, stack: AsyncExitStack, site: str, session_id: str, at: PointInTime
    ) -> PastSession:
        """The session as GET would have shown it, in memory until `stack` is closed.

        Raises HttpProblem (404, 422, 503).
        """
        await stack.enter_async_context(self._place())
        (replay,) = await self._replay(site, session_id, [at])
        _check_existed(replay, at)
        clock = at.clock(replay.last, _now())
        chunks = await asyncio.to_thread(replay.document, clock, self._timeout)
        return PastSession(chunks, self._position(replay))

    async def diff(
        self, site: str, session_id: str, start: PointInTime, end: PointInTime, limit: int
    ) -> TimeTravelAnswer:
        """Compare a session at two points in time; at most `limit` events and metrics are listed.

        Raises HttpProblem (400, 404, 422, 503).
        """
        async with self._place():
            before, after = await self._replay(site, session_id, [start, end])
            if before.session is None:
                _check_existed(after, end)
            if last_sequence(before) > last_sequence(after):
                raise HttpProblem(
                    ErrorCode.INVALID_PARAMETER,
                    f"`from` must not be after `to`: from is {start}, to is {end}",
                )
            now = _now()
            then, later = start.clock(before.last, now), end.clock(after.last, now)
            body = await asyncio.to_thread(
                session_diff, before, after, then, later, self._timeout, limit=limit
            )
            return TimeTravelAnswer(body, self._position(after))

    async def _replay(self, site: str, session_id: str, points: Sequence[PointInTime]) -> list[SessionReplay]:
        """The session at each point in time, from one reading of its facts."""
        key = (site, session_id)
        skipped = await self._reader.read(self._views.skipped)
        replays = [SessionReplay(key, skipped) for _ in points]
        time_slice, count, size = TimeSlice(), 0, 0
        where = entity_filter(site, "session", session_id, self._partitions)
        for stream in (SESSIONS, HEARTBEATS):
            try:
                async with aclosing(stored_events(self._nc, stream.name, where)) as events:
                    async for event in events:
                        if time_slice.is_over():
                            await time_slice.yield_to_others()
                        concerned = [
                            replay for replay, at in zip(replays, points, strict=True) if at.includes(event)
                        ]
                        if not concerned:
                            break
                        count, size = count + 1, size + len(event.body)
                        if count > _MOST_FACTS or size > _MOST_BYTES:
                            raise _too_many_facts(event.stored_at)
                        for replay in concerned:
                            _add(replay, event)
            except (StreamUnavailable, Error, OSError) as exc:
                logger.info("facts of session %s cannot be read: %s", session_id, exc)
                raise unavailable("the event stream does not answer; try again") from None
        return replays

    def _place(self) -> AbstractAsyncContextManager[None]:
        return a_place(self._places, "sessions are being looked up in the past")

    def _position(self, replay: SessionReplay) -> str:
        partition = partition_of(replay.key[1], self._partitions)
        return str(Position(SESSIONS.name, partition, last_sequence(replay)))


def _add(replay: SessionReplay, event: RawEvent) -> None:
    try:
        replay.add(event)
    except Exception:
        logger.exception("cannot fold %s %s", event.stream, event.sequence)
        raise unavailable(
            f"{event.stream} {event.sequence} cannot be folded: the session is parked there", _PARKED_RETRY_S
        ) from None


def _check_existed(replay: SessionReplay, at: PointInTime) -> None:
    """Raise HttpProblem (404) unless there was a session."""
    if replay.session is None:
        raise HttpProblem(
            ErrorCode.SESSION_NOT_FOUND,
            f"the event stream has no session {replay.key[1]} {at}: not yet, or no longer",
        )


def _now() -> datetime:
    return datetime.now(UTC)


def _too_many_facts(reached: datetime) -> HttpProblem:
    return HttpProblem(
        ErrorCode.TOO_MANY_FACTS,
        f"the session has more than {_MOST_FACTS} facts, or {_MOST_BYTES >> 20} MiB of them, by then; ask"
        f" for a time before {format_time(reached)}",
    )
