"""Sessions as they were, and what changed in between: answered from the line, not from the read model."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nats.errors import Error
from pydantic_core import to_json

from api.reading.points_in_time import Moment
from api.reading.reader import Reader
from line.entity_history import stored_events
from line.problems import StreamUnavailable
from line.raw_event import RawEvent
from projections.sessions.differences import differences
from projections.sessions.time_travel import SessionReplay
from projections.sessions.views import SessionViews
from runtime.compat.nats_client import BusClient
from runtime.http.errors import HttpProblem, unavailable
from runtime.process.time_slice import TimeSlice
from schemas.positions import Position
from schemas.streams import HEARTBEATS, SESSIONS
from schemas.subjects import entity_filter, partition_of
from schemas.times import format_time

logger = logging.getLogger("foldline.past")

_MOST_FACTS: Final = 100_000
_MOST_BYTES: Final = 64 << 20
_AT_ONCE: Final = 2
_QUEUE_S: Final = 5.0
_PARKED_RETRY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """JSON, and the position it reflects."""

    body: bytes
    position: str


class Past:
    """Folds one session's facts up to a moment. Bounded in facts, bytes, and how many are folded at once."""

    def __init__(self, nc: BusClient, reader: Reader, views: SessionViews) -> None:
        self._nc = nc
        self._reader = reader
        self._views = views
        self._partitions = reader.settings.partitions
        self._timeout = timedelta(seconds=reader.settings.heartbeat_timeout)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def document(self, site: str, session_id: str, at: Moment) -> Answer:
        """The session as GET would have shown it. Raises HttpProblem (404, 422, 503)."""
        async with self._place():
            (one,) = await self._remember(site, session_id, [at])
            self._existed(one, at)
            body = await asyncio.to_thread(one.document, at.clock(one.last, _now()), self._timeout)
            return Answer(body, self._position(one))

    async def diff(self, site: str, session_id: str, start: Moment, end: Moment, limit: int) -> Answer:
        """What changed from one moment to another; at most `limit` events and metrics are listed."""
        async with self._place():
            before, after = await self._remember(site, session_id, [start, end])
            if before.session is None:
                self._existed(after, end)
            if (before.last.sequence if before.last else 0) > (after.last.sequence if after.last else 0):
                raise HttpProblem(400, "Invalid parameter", "from: lies behind to")
            body = await asyncio.to_thread(self._diff, before, after, start, end, limit)
            return Answer(body, self._position(after))

    def _diff(
        self, before: SessionReplay, after: SessionReplay, start: Moment, end: Moment, limit: int
    ) -> bytes:
        now, passed = _now(), before.last.sequence if before.last else 0
        then, later = start.clock(before.last, now), end.clock(after.last, now)
        lists = {"events": after.events(passed), "metrics": after.metrics(passed)}
        head = {
            "id": after.key[1],
            "site": after.key[0],
            "from": _described(before, then),
            "to": _described(after, later),
            "fields": list(
                differences(before.fields(then, self._timeout), after.fields(later, self._timeout))
            ),
            "state": list(differences(_state(before), _state(after))),
            **{f"{name.removesuffix('s')}_count": len(found) for name, found in lists.items()},
        }
        listed = b"".join(
            b',"%b":[%b]' % (name.encode(), b",".join(found[:limit])) for name, found in lists.items()
        )
        return to_json(head)[:-1] + listed + b"}"

    async def _remember(self, site: str, session_id: str, moments: Sequence[Moment]) -> list[SessionReplay]:
        """The session at each moment, from one reading of its facts."""
        key = (site, session_id)
        skipped = await self._reader.read(self._views.skipped)
        ones = [SessionReplay(key, skipped) for _ in moments]
        time_slice, count, size = TimeSlice(), 0, 0
        where = entity_filter(site, "session", session_id, self._partitions)
        for stream in (SESSIONS, HEARTBEATS):
            try:
                async with aclosing(stored_events(self._nc, stream.name, where)) as events:
                    async for event in events:
                        if time_slice.is_over():
                            await time_slice.yield_to_others()
                        concerned = [one for one, at in zip(ones, moments, strict=True) if at.includes(event)]
                        if not concerned:
                            break
                        count, size = count + 1, size + len(event.body)
                        if count > _MOST_FACTS or size > _MOST_BYTES:
                            raise _too_much(event.stored_at)
                        for one in concerned:
                            _add(one, event)
            except (StreamUnavailable, Error, OSError) as exc:
                logger.info("%s: %s", session_id, exc)
                raise unavailable("the line does not answer") from None
        return ones

    def _existed(self, one: SessionReplay, at: Moment) -> None:
        if one.session is None:
            when = (
                f"at sequence {at.sequence}"
                if at.sequence
                else f"at {format_time(at.time)}"
                if at.time
                else "now"
            )
            raise HttpProblem(
                404,
                "Session not found",
                f"the line has no session {one.key[1]} {when}: not yet, or no longer",
            )

    def _position(self, one: SessionReplay) -> str:
        sequence = one.last.sequence if one.last else 0
        return str(Position(SESSIONS.name, partition_of(one.key[1], self._partitions), sequence))

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            await asyncio.wait_for(self._places.acquire(), _QUEUE_S)
        except TimeoutError:
            raise unavailable("as many sessions are being looked back at as may; try again") from None
        try:
            yield
        finally:
            self._places.release()


def _add(one: SessionReplay, event: RawEvent) -> None:
    try:
        one.add(event)
    except Exception:
        logger.exception("cannot fold %s %s", event.stream, event.sequence)
        raise unavailable(
            f"{event.stream} {event.sequence} cannot be folded: the session is parked there", _PARKED_RETRY_S
        ) from None


def _described(one: SessionReplay, clock: datetime) -> dict[str, Any]:
    return {
        "at": format_time(clock),
        "sequence": one.last.sequence if one.last else None,
        "exists": one.session is not None,
    }


def _state(one: SessionReplay) -> dict[str, Any]:
    return one.session.state if one.session else {}


def _now() -> datetime:
    return datetime.now(UTC)


def _too_much(reached: datetime) -> HttpProblem:
    return HttpProblem(
        422,
        "Too many facts",
        f"the session has more than {_MOST_FACTS} facts, or {_MOST_BYTES >> 20} MiB of them, by then; ask"
        f" for a moment before {format_time(reached)}",
    )
