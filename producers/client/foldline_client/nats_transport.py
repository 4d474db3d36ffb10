"""Publishes straight to JetStream: `ev.<site>.session.<id>.<fact>`, acknowledged when stored and synced."""

import uuid
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from nats.errors import MaxPayloadError, NoRespondersError

from foldline_client.items import HEARTBEAT, OWN_CLOCK, Item
from foldline_client.nats_connection import CONNECTION_ERRORS, ConnectionLost, NatsConnection, PublishRefused
from foldline_client.options import Options
from foldline_client.transport import DELIVERED, Outcome, Verdict, in_session_order, rejected, retry

_HEADER_ALLOWANCE: Final = 1024
_NOT_ATOMIC: Final = 10174  # the stream does not allow batches
_TRANSIENT: Final = (408, 429)
_UNDER_WAY: Final = (10158, 10164)  # in a cluster: the same id, or subject, is just being written


class NatsTransport:
    """Sends what waits as one atomic batch, and by single publishes where a batch is refused.

    A batch with a message id that is stored already is refused as a whole (error 10201), so after an outcome
    in doubt the singles settle it: what is stored is acknowledged as a duplicate.
    """

    def __init__(self, url: str, options: Options) -> None:
        scheme = url.partition("://")[0]
        parts = [part for part in url.replace(" ", "").split(",") if part]
        self._servers = [part if "://" in part else f"{scheme}://{part}" for part in parts]
        self._address = ",".join(map(_without_credentials, self._servers))
        self._options = options
        self._connection: NatsConnection | None = None
        self._atomic = True

    @property
    def address(self) -> str:
        """The servers, without user names and passwords."""
        return self._address

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Send facts as one batch, then heartbeats one by one, which are in another stream."""
        try:
            connection = await self._connected()
        except CONNECTION_ERRORS as exc:
            return [retry(exc)] * len(items)
        outcomes: dict[int, Outcome] = {}
        sendable: list[Item] = []
        for item in items:
            if len(item.body) + _HEADER_ALLOWANCE > connection.max_payload:
                most = connection.max_payload - _HEADER_ALLOWANCE
                outcomes[id(item)] = rejected(f"{len(item.body)} bytes, the NATS server takes at most {most}")
            else:
                sendable.append(item)
        facts = [item for item in sendable if item.fact != HEARTBEAT]
        heartbeats = [item for item in sendable if item.fact == HEARTBEAT]
        results = await self._batch(connection, facts) if self._atomic and len(facts) > 1 else None
        if results is None:
            results = await self._singles(connection, facts)
        results += await self._singles(connection, heartbeats)
        for item, outcome in zip(facts + heartbeats, results, strict=True):
            outcomes[id(item)] = outcome
        return [outcomes[id(item)] for item in items]

    async def close(self) -> None:
        """Close the connection; the next delivery would make another."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self) -> NatsConnection:
        if self._connection is not None and self._connection.alive:
            return self._connection
        await self.close()
        self._atomic = True
        self._connection = await NatsConnection.open(
            self._servers, self._options.nats_options, self._options.request_timeout
        )
        return self._connection

    async def _batch(self, connection: NatsConnection, items: list[Item]) -> list[Outcome] | None:
        """Send all or nothing; None: refused as a batch."""
        batch = uuid.uuid4().hex  # new for every try: a half-sent batch of the last one is abandoned
        *first, last = items
        try:
            for number, item in enumerate(first, 1):
                headers = self._headers(item) | {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                await connection.send(self._subject(item), item.body, headers)
            headers = self._headers(last) | {
                "Nats-Batch-Id": batch,
                "Nats-Batch-Sequence": str(len(items)),
                "Nats-Batch-Commit": "1",
            }
            timeout = self._options.request_timeout
            ack = await connection.publish(self._subject(last), last.body, headers, timeout)
        except PublishRefused as exc:
            self._atomic = exc.err_code != _NOT_ATOMIC
            return None
        except MaxPayloadError:
            return None
        except (ConnectionLost, *CONNECTION_ERRORS) as exc:
            return [retry(_explain(exc))] * len(items)
        if ack.get("count") != len(items):
            return None  # a server without batches took the last message alone: its id settles that
        for offset, item in enumerate(reversed(items)):
            self._reached(item, ack, offset)
        return [DELIVERED] * len(items)

    async def _singles(self, connection: NatsConnection, items: list[Item]) -> list[Outcome]:
        async def send(item: Item) -> Outcome:
            return await self._single(connection, item)

        return await in_session_order(items, send, self._options.parallel)

    async def _single(self, connection: NatsConnection, item: Item) -> Outcome:
        timeout = self._options.request_timeout
        try:
            ack = await connection.publish(self._subject(item), item.body, self._headers(item), timeout)
        except PublishRefused as exc:
            again = exc.code >= 500 or exc.code in _TRANSIENT or exc.err_code in _UNDER_WAY
            return Outcome(Verdict.RETRY if again else Verdict.REJECTED, str(exc))
        except MaxPayloadError:
            return rejected(f"{len(item.body)} bytes are too large for the NATS server")
        except (ConnectionLost, *CONNECTION_ERRORS) as exc:
            return retry(_explain(exc))
        self._reached(item, ack)
        return DELIVERED

    def _subject(self, item: Item) -> str:
        return f"ev.{self._options.site}.session.{item.ref.id}.{item.fact}"

    def _headers(self, item: Item) -> dict[str, str]:
        headers = {"Nats-Msg-Id": item.message_id(self._options.site), **OWN_CLOCK}
        if item.time is not None:
            headers["Foldline-Time"] = item.time
        return headers

    def _reached(self, item: Item, ack: dict[str, Any], offset: int = 0) -> None:
        if item.fact != HEARTBEAT:
            partition = partition_of(item.ref.id, self._options.partitions)
            item.ref.reached(f"{ack['stream']}/{partition}", int(ack["seq"]) - offset)


def partition_of(session_id: str, partitions: int) -> int:
    """Return the partition of a session as NATS computes it: FNV-1a, 32 bit, modulo their number."""
    value = 0x811C9DC5
    for byte in session_id.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value % partitions


def _explain(exc: BaseException) -> str:
    if isinstance(exc, NoRespondersError):
        return "no stream takes the subject now: none is declared, or the cluster has no leader"
    return str(exc) or type(exc).__name__


def _without_credentials(server: str) -> str:
    """Return the address without its credentials. Raises ValueError if nobody could connect to it."""
    parts = urlsplit(server)
    if not parts.hostname or parts.port == 0:
        raise ValueError(f"{parts.netloc.rpartition('@')[2]!r} is not a host and port like localhost:4222")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
