"""The dependencies of the session write routes, and how they publish and answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from fastapi import Response

from producers.existence import Existence
from producers.publishing.publisher import Ack, BusUnavailable, Publisher, Refused
from producers.publishing.requests import InDoubt
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.waits import POSITION, PROJECTED
from runtime.settings import Settings
from schemas.facts import Fact
from schemas.positions import Position, format_positions
from schemas.sessions.recovery import HungSession
from schemas.subjects import Subject, entity_filter, published_form

PROJECTION: Final = "sessions"
_LOOK_TIMEOUT: Final = 2.0
HungReader = Callable[[str, str], Awaitable[HungSession | None]]
"""Given site and session id, returns the hang that the read model knows of, if the session still runs."""


class ProgressWaiter(Protocol):
    """Waits until a read model has passed positions; `line.progress.Progress` does."""

    async def wait(self, projection: str, positions: Sequence[Position], timeout: float) -> bool:
        """Whether the projection passed all positions within `timeout` seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSurface:
    """The dependencies of the session write routes, given by the process's own app."""

    publisher: Publisher
    existence: Existence
    progress: ProgressWaiter
    hung: HungReader
    settings: Settings
    now: Callable[[], datetime]

    async def publish(self, fact: Fact, *, expected_last: int | None = None) -> Ack:
        """Publish within the settings' bound.

        Raises Conflict, HttpProblem 409 for a key that was used for another write, and 503 without an answer.
        """
        try:
            ack = await self.publisher.publish(fact, expected_last=expected_last)
        except BusUnavailable as exc:
            raise unavailable(str(exc), exc.retry_after) from exc
        except Refused as exc:
            raise unavailable(f"the event stream does not take this event: {exc}", 10) from exc
        self.existence.note(fact.subject.site, fact.subject.entity, fact.subject.id)
        if ack.duplicate:
            await self._check_same(fact, ack.position)
        return ack

    async def _check_same(self, fact: Fact, position: Position) -> None:
        """Refuse a key that was used for another write: it would swallow this one. Raises HttpProblem."""
        subject = fact.subject
        where = entity_filter(subject.site, subject.entity, subject.id, self.settings.partitions)
        try:
            first = await self.publisher.stored_lookup.next(
                position.stream, where, position.sequence, _LOOK_TIMEOUT
            )
        except InDoubt as doubt:
            raise unavailable(f"the event stream does not answer: {doubt}") from doubt
        if (
            first is not None
            and first.message_id == fact.message_id
            and Subject.parse_stored(first.subject) != subject
        ):
            raise HttpProblem(
                409,
                "Idempotency-Key already used",
                f"the key was used for {published_form(first.subject)}: use a new key for each write",
            )

    async def answer(
        self,
        body: bytes,
        *,
        positions: Sequence[Position],
        wait: float,
        status: int = 200,
    ) -> Response:
        """Answer a success as soon as the read model shows it, at the latest after `wait` seconds."""
        return await write_response(
            self.progress, PROJECTION, body, positions=positions, wait=wait, status=status
        )


async def write_response(
    progress: ProgressWaiter,
    projection: str,
    body: bytes,
    *,
    positions: Sequence[Position],
    wait: float,
    status: int = 200,
) -> Response:
    """Answer a success once the projection has passed `positions`, at the latest after `wait` seconds."""
    headers = {POSITION: format_positions(positions)} if positions else {}
    if wait > 0 and positions and not await progress.wait(projection, positions, wait):
        headers[PROJECTED] = "false"
    return Response(body, status, headers, "application/json")
