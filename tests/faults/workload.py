"""Producers that publish mixed facts for many sessions, whatever happens to the servers, and keep book."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext

from producers.admission import admit_fact
from producers.publishing.publisher import Ack, Publisher
from schemas.facts import Fact
from schemas.subjects import Subject

_NAMES = ("opened", "saved", "user_login", "application_appears_hung")
_KINDS = ("state", "event", "metric", "heartbeat")


@dataclass
class Record:
    """A book of every id that was acknowledged, and of each session's newest heartbeat."""

    acked: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    newest_heartbeat: dict[str, str] = field(default_factory=dict)
    retries: int = 0

    def note(self, message_id: str, subject: str, body: bytes) -> None:
        assert message_id not in self.acked, "acknowledged twice"
        self.acked[message_id] = (subject, body)
        session, fact = subject.split(".")[3:]
        if fact == "heartbeat":
            self.newest_heartbeat[session] = message_id


def script(sessions: int, events: int, seed: int) -> dict[str, list[tuple[str, bytes]]]:
    """Return the facts of each session in order: `events` in all, created first, some ended."""
    chance = random.Random(seed)
    each = events // sessions
    return {
        f"many-{seed}-{number}": [
            ("created", _json({"product": "P", "version": str(number % 7)})),
            *(_fact(chance) for _ in range(each - 2)),
            ("ended", b"") if number % 3 else _fact(chance),
        ]
        for number in range(sessions)
    }


def _fact(chance: random.Random) -> tuple[str, bytes]:
    kind = chance.choices(_KINDS, (4, 4, 4, 2))[0]
    body: dict[str, Any] = {}
    if kind == "state":
        key = f"k{chance.randint(0, 5)}"
        value = chance.choice([None, chance.randint(0, 99), {"deep": {"er": chance.random()}}, ["a", None]])
        body = {key: value, "nested": {key: value}}
    elif kind == "event":
        name = chance.choices(_NAMES, (10, 10, 10, 1))[0]
        body = {"name": name, "data": {"n": chance.randint(0, 9999)}, "labels": ["x"]}
    elif kind == "metric":
        body = {"name": "cpu", "value": chance.random(), "tags": ["a", "b"]}
    return kind, _json(body)


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


async def publish_in_bulk(
    publisher: Publisher,
    facts: dict[str, list[tuple[str, bytes]]],
    record: Record,
    pace: Callable[[], float],
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Publish through our publisher, chunks of each session in turn; what is in doubt is sent again.

    Ends with the last fact, or when there is `enough` and nothing is in doubt.
    """
    queues = {session: list(_numbered(session, todo)) for session, todo in facts.items()}
    doubtful = False
    while any(queues.values()) and (doubtful or not enough()):
        chunk = [fact for queue in queues.values() for fact in queue[:5]]
        outcomes = await publisher.publish_many(chunk)
        done = set()
        for fact, outcome in zip(chunk, outcomes, strict=True):
            if isinstance(outcome, Ack):
                record.note(fact.message_id, str(fact.subject), fact.body)
                done.add(fact.message_id)
            else:
                record.retries += 1
        doubtful = len(done) < len(chunk)
        for session, queue in queues.items():
            queues[session] = [fact for fact in queue if fact.message_id not in done]
        await asyncio.sleep(pace())


def _numbered(session: str, todo: list[tuple[str, bytes]]) -> list[Fact]:
    return [
        admit_fact(Subject("local", "session", session, kind), body, key=f"n{number}", now=datetime.now(UTC))
        for number, (kind, body) in enumerate(todo)
    ]


async def publish_plainly(
    js: JetStreamContext,
    session: str,
    todo: list[tuple[str, bytes]],
    record: Record,
    pace: Callable[[], float],
) -> None:
    """Publish as a plain NATS client, one by one, again with the same id until acknowledged."""
    for number, (kind, body) in enumerate(todo):
        subject, message_id = f"ev.local.session.{session}.{kind}", f"plain:{session}:{number}"
        while True:
            try:
                await js.publish(subject, body, timeout=2, headers={"Nats-Msg-Id": message_id})
            except (nats.errors.Error, nats.js.errors.Error, OSError):
                record.retries += 1
                await asyncio.sleep(0.1)  # between two tries, not for a condition
            else:
                record.note(message_id, subject, body)
                break
        await asyncio.sleep(pace())
