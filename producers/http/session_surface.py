"""The dependencies of the session write routes, and how they publish."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import Response

from producers.existence import Existence
from producers.http.key_reuse import reused_keys
from producers.http.write_response import ProgressWaiter, write_response
from producers.publishing.publisher import Ack, BusUnavailable, Publisher, Refused
from runtime.http.errors import unavailable
from runtime.settings.http import WriteSettings
from schemas.facts import Fact
from schemas.positions import Position
from schemas.sessions.recovery import HungSession

PROJECTION: Final = "sessions"
HungReader = Callable[[str, str], Awaitable[HungSession | None]]
"""Given site and session id, returns the hang that the read model knows of, if the session still runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSurface:
    """The dependencies of the session write routes, given by the process's own app."""

    publisher: Publisher
    existence: Existence
    progress: ProgressWaiter
    hung: HungReader
    settings: WriteSettings
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
            for refusal in (await reused_keys(self.publisher, [fact], [ack])).values():
                raise refusal
        return ack

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
