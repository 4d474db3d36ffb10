"""Control of rejected events, for the command line and for the API."""

import base64
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from nats.aio.client import Client

from line.messages import StoredMessage, message_at
from line.problems import StreamUnavailable
from producers.publishing.publisher import Publisher, PublishError
from producers.publishing.publisher import Refused as NotTaken
from producers.republish import republished_fact
from projections.rejected import NotRejected, Rejected, RejectedEvents
from runtime.database.connections import Connection
from runtime.problems import Problem
from schemas.facts import published_subject
from schemas.headers import headers_of
from schemas.positions import Position
from schemas.subjects import Subject, published_form
from schemas.times import format_time
from schemas.validation import InvalidFact, check_body, parse_json

T = TypeVar("T")


class Database(Protocol):
    """Lends a connection for a query."""

    async def read(self, query: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one query on a lent connection."""


class PublishingRejectedControl:
    """Implements RejectedControl: reads the event from the line, retries it through the publisher.

    No method changes a read model by itself. Every method raises NotRejected where there is no such event,
    StreamUnavailable when the line is away.
    """

    def __init__(self, events: RejectedEvents, database: Database, nc: Client, publisher: Publisher) -> None:
        self._events = events
        self._database = database
        self._nc = nc
        self._publisher = publisher

    async def show(self, stream: str, sequence: int) -> dict[str, Any]:
        """The event as it was published, and the projections that rejected it."""
        rejected, message = await self._find(stream, sequence)
        encoding, body = _readable(message.body)
        return {
            "position": str(_position(message, rejected)),
            "subject": _subject(message),
            "stored_at": format_time(message.stored_at),
            "headers": headers_of(message.headers),
            "encoding": encoding,
            "body": body,
            "rejected": [asdict(one) for one in rejected],
        }

    async def retry(
        self,
        stream: str,
        sequence: int,
        *,
        subject: str | None = None,
        body: bytes | None = None,
        time: str | None = None,
    ) -> dict[str, Any]:
        """Publish the event as a new fact, with the given corrections, and dismiss it.

        Raises InvalidFact when it still is not valid, Problem when the event stream refuses it for good.
        """
        rejected, message = await self._find(stream, sequence)
        position = _position(message, rejected)
        fact = republished_fact(
            message,
            position,
            subject=Subject.parse(subject) if subject is not None else None,
            body=body,
            time=time,
            now=datetime.now(UTC),
        )
        try:
            ack = await self._publisher.publish(fact)
        except NotTaken as exc:
            raise Problem(f"the event stream refuses it: {exc}") from exc
        except PublishError as exc:
            raise StreamUnavailable(stream, str(exc)) from exc
        with suppress(NotRejected):  # its entity expired meanwhile
            await self.dismiss(stream, sequence, f"retried as {ack.position}")
        return {"position": str(ack.position), "duplicate": ack.duplicate, "retry_of": str(position)}

    async def dismiss(self, stream: str, sequence: int, reason: str) -> None:
        """Hide the event, with a reason. Raises Problem without one."""
        await self._database.read(lambda conn: self._events.dismiss(conn, stream, sequence, reason))

    async def restore(self, stream: str, sequence: int) -> None:
        """Show a dismissed event again."""
        await self._database.read(lambda conn: self._events.restore(conn, stream, sequence))

    async def _find(self, stream: str, sequence: int) -> tuple[list[Rejected], StoredMessage]:
        rejected = await self._database.read(lambda conn: self._events.one(conn, stream, sequence))
        message = await message_at(self._nc, stream, sequence)
        if message is None:
            first = rejected[0]
            raise NotRejected(
                f"{stream}/{first.partition}:{sequence} was rejected ({first.reason}: {first.details}), "
                "but the event stream no longer holds it"
            )
        return rejected, message


def _position(message: StoredMessage, rejected: list[Rejected]) -> Position:
    return Position(message.stream, rejected[0].partition, message.sequence)


def _subject(message: StoredMessage) -> str:
    try:
        return published_subject(message.subject, message.body)
    except InvalidFact:  # a token is longer than ours
        return published_form(message.subject)


def _readable(body: bytes) -> tuple[str, Any]:
    """The name of an encoding, and the body in it: JSON as it is, else text, else base64."""
    with suppress(InvalidFact):
        check_body(body, max_bytes=len(body))  # what passes can also be sent
        return "json", parse_json(body)
    with suppress(UnicodeDecodeError):
        return "text", body.decode()
    return "base64", base64.b64encode(body).decode()
