"""The line as a plain NATS client sees it, and what of it the read model shows."""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import nats.errors
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from line.delivery import parse_delivery
from line.jetstream import request_api
from runtime.database.connections import Connection
from schemas.facts import MESSAGE_ID
from schemas.registry import DECLARED
from schemas.sessions.streams import SESSIONS
from schemas.streams import Stream
from schemas.subjects import partition_of, published_form
from tests.reference.published import Published
from tests.reference.sessions import Reference, comparable
from tests.support.session_documents import BothWays
from tests.support.settings import PARTITIONS
from tests.support.waiting import wait_until

PROBE = b'{"name":"probe"}'


class Line:
    """A plain NATS client that publishes facts and reads back what is stored."""

    def __init__(self, nc: Client) -> None:
        self.nc = nc
        self.js = nc.jetstream(timeout=10)

    async def put(
        self,
        fact: str,
        session_id: str,
        body: Any = None,
        *,
        site: str = "local",
        headers: dict[str, str] | None = None,
    ) -> int:
        """Publish one fact and return its sequence; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        ack = await self.js.publish(f"ev.{site}.session.{session_id}.{fact}", data, headers=headers)
        return ack.seq

    async def created(self, session_id: str, **body: Any) -> int:
        return await self.put("created", session_id, {"product": "P", "version": "1"} | body)

    async def forget_message_ids(
        self, stream: Stream = SESSIONS, probe: str = "ev.local.session.probe.event", body: bytes = PROBE
    ) -> None:
        """Make JetStream forget the message ids of a stream, as it does after two minutes.

        `probe` is stored for that, with this body.
        """
        config = DECLARED.config(stream, partitions=PARTITIONS, replicas=1)
        window = 100_000_000
        await self._update(config | {"duplicate_window": window})
        headers = {MESSAGE_ID: f"probe:{self.js}"}
        first = await self.js.publish(probe, body, headers=headers)

        async def forgotten() -> bool:
            # The server clears its memory when the window changes, but may do so just before it has the new
            # one, and would then wait out the old: that was seen on a busy machine.
            nonlocal window
            window += 1
            await self._update(config | {"duplicate_window": window})
            again = await self.js.publish(probe, body, headers=headers)
            return again.seq != first.seq

        await wait_until(forgotten, what=f"{stream.name} forgets its message ids")
        await self._update(config)

    async def _update(self, config: dict[str, Any]) -> None:
        answer = await request_api(self.nc, f"STREAM.UPDATE.{config['name']}", config)
        assert "error" not in answer, answer

    async def stored(self, stream: str = "SESSIONS") -> list[Published]:
        """Return everything the stream holds, in order; what is purged meanwhile may be missing."""
        facts: list[Published] = []
        reader = await self.js.pull_subscribe(
            "",
            stream=stream,
            config=ConsumerConfig(deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.NONE),
        )
        left = (await reader.consumer_info()).num_pending or 0
        while left:
            with suppress(nats.errors.TimeoutError):  # the rest was purged
                for message in await reader.fetch(min(1000, left), timeout=2):
                    delivery = parse_delivery(message.reply)
                    facts.append(
                        Published(
                            published_form(message.subject),
                            message.data,
                            delivery.sequence,
                            delivery.stored_at,
                            message.headers or {},
                        )
                    )
            left = (await reader.consumer_info()).num_pending or 0
        await reader.unsubscribe()
        return facts

    async def reference(self) -> Reference:
        """Return the reference fold of what the line holds now."""
        return Reference([*await self.stored(), *await self.stored("HEARTBEATS")])


class Model:
    """The sessions read model, asked as the API asks it."""

    def __init__(self, db: Connection, *, timeout: float = 60.0) -> None:
        self.db = db
        self.timeout = timedelta(seconds=timeout)
        self._documents = BothWays(self.timeout)

    async def session(self, session_id: str) -> dict[str, Any] | None:
        """Return the served document with numbers as Decimals, None for an unknown session."""
        body = await self._documents.document(self.db, session_id)
        if body is None:
            return None
        session: dict[str, Any] = comparable(json.loads(body, parse_float=Decimal))
        return session

    async def events(self, session_id: str) -> list[str]:
        """Return the names of its events, in order."""
        session = await self.session(session_id)
        return [event["name"] for event in session["events"]] if session else []

    async def rejected(self) -> dict[tuple[str, int], str]:
        """Return the reason of each rejected event, by stream and sequence."""
        cursor = await self.db.execute("select stream, seq, reason from sessions.rejected")
        return {(stream, seq): reason for stream, seq, reason in await cursor.fetchall()}

    async def reached(self, session_id: str, stream: str = "SESSIONS", follower: str = "sessions") -> int:
        """Return the sequence that the session's partition has reached."""
        cursor = await self.db.execute(
            "select coalesce((seqs->>%s)::bigint, 0) from foldline.lease where follower = %s and part = %s",
            (stream, follower, partition_of(session_id, PARTITIONS)),
        )
        row = await cursor.fetchone()
        return int(row[0]) if row else 0

    async def passed(
        self,
        session_id: str,
        sequence: int,
        stream: str = "SESSIONS",
        *,
        follower: str = "sessions",
        timeout: float = 20,
    ) -> None:
        """Wait until `follower` is at `sequence` in the session's partition."""

        async def there() -> bool:
            return await self.reached(session_id, stream, follower) >= sequence

        await wait_until(there, timeout, what=f"{follower} passes {stream} {sequence}")

    async def caught_up(self, line: Line, *followers: str) -> None:
        """Wait until every partition is at the last of what the line holds for it.

        One session's last event says nothing about the partitions of the others.
        """
        for stream in ("SESSIONS", "HEARTBEATS"):
            last: dict[int, Published] = {}
            for fact in await line.stored(stream):
                last[partition_of(fact.session_id, PARTITIONS)] = fact
            for fact in last.values():
                for follower in followers or ("sessions",):
                    await self.passed(fact.session_id, fact.seq, stream, follower=follower)

    async def equals(self, reference: Reference, session_id: str) -> None:
        """Assert that the served session is what the reference says."""
        now = datetime.now(UTC)
        assert await self.session(session_id) == comparable(
            reference.answer(session_id, now, timeout=self.timeout)
        )


async def publish_raw(url: str, *messages: tuple[bytes, bytes, bytes]) -> None:
    """Publish (subject, header block, body) byte by byte, as no well-behaved client would."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')
    for subject, headers, body in messages:
        if headers:
            writer.write(b"HPUB %b %d %d\r\n" % (subject, len(headers), len(headers) + len(body)))
        else:
            writer.write(b"PUB %b %d\r\n" % (subject, len(body)))
        writer.write(headers + body + b"\r\n")
    writer.write(b"PING\r\n")
    async with asyncio.timeout(10):
        while (line := await reader.readline()) != b"PONG\r\n":
            assert line.startswith(b"INFO"), line
    writer.close()
    await writer.wait_closed()
