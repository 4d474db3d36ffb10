"""What the write routes of a surface stand on; given by the process's own app, never global."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from fastapi import Response

from producers.existence import Existence
from producers.publishing.publisher import Ack, BusUnavailable, Fact, Publisher, Refused
from producers.publishing.requests import InDoubt
from runtime.http.errors import HttpProblem, unavailable
from runtime.http.waits import POSITION, PROJECTED
from runtime.settings import Settings
from schemas.positions import Position, format_positions
from schemas.sessions.recovery import HungSession
from schemas.subjects import Subject, entity_filter, published_form

PROJECTION: Final = "sessions"
_LOOK_TIMEOUT: Final = 2.0
HungReader = Callable[[str, str], Awaitable[HungSession | None]]
"""(site, session id) → the hang the read model knows of, if the session still runs."""


class Waiter(Protocol):
    """Waits for a read model to pass positions: `line.progress.Progress`."""

    async def wait(self, projection: str, positions: Sequence[Position], timeout: float) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSurface:
    """The dependencies of the sessions write routes."""

    publisher: Publisher
    existence: Existence
    progress: Waiter
    hung: HungReader
    settings: Settings
    now: Callable[[], datetime]

    async def publish(self, fact: Fact, *, expected_last: int | None = None) -> Ack:
        """Publish within the settings' bound. Raises Conflict; HttpProblem 503 when that ran out, 409."""
        try:
            ack = await self.publisher.publish(fact, expected_last=expected_last)
        except BusUnavailable as exc:
            raise unavailable(str(exc), exc.retry_after) from exc
        except Refused as exc:
            raise unavailable(f"the line does not take it: {exc}", 10) from exc
        self.existence.note(fact.subject.site, fact.subject.entity, fact.subject.id)
        if ack.duplicate:
            await self._check_same(fact, ack.position)
        return ack

    async def _check_same(self, fact: Fact, position: Position) -> None:
        """A key that stands for another kind of write would swallow this one: say so instead. 409, 503."""
        subject = fact.subject
        where = entity_filter(subject.site, subject.entity, subject.id, self.settings.partitions)
        try:
            first = await self.publisher.stored.next(position.stream, where, position.sequence, _LOOK_TIMEOUT)
        except InDoubt as doubt:
            raise unavailable(f"the line does not answer: {doubt}") from doubt
        if (
            first is not None
            and first.message_id == fact.message_id
            and Subject.parse_stored(first.subject) != subject
        ):
            raise HttpProblem(
                409,
                "Idempotency-Key already used",
                f"the key was used for {published_form(first.subject)}: use another one for each write",
            )

    async def answer(
        self,
        body: bytes,
        *,
        positions: Sequence[Position],
        wait: float,
        status: int = 200,
    ) -> Response:
        """The success it is, when the read model has it or `wait` seconds have passed."""
        return await answered(self.progress, PROJECTION, body, positions=positions, wait=wait, status=status)


async def answered(
    progress: Waiter,
    projection: str,
    body: bytes,
    *,
    positions: Sequence[Position],
    wait: float,
    status: int = 200,
) -> Response:
    """A success, when the read model has passed the positions or `wait` seconds have passed."""
    headers = {POSITION: format_positions(positions)} if positions else {}
    if wait > 0 and positions and not await progress.wait(projection, positions, wait):
        headers[PROJECTED] = "false"
    return Response(body, status, headers, "application/json")
