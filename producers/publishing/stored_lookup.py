"""Look-ups of stored facts for decisions on the write side, over the publisher's own requests."""

import json
from collections.abc import Sequence
from typing import Any, Final

from line.messages import StoredMessage, read_message
from line.problems import StreamUnavailable
from producers.publishing.requests import InDoubt, Reply, Requests
from schemas.headers import header_block
from schemas.times import parse_time

_AT_ONCE: Final = 200  # the server drops requests beyond a queue that all its clients share


class StoredLookup:
    """Looks up facts by a filter of stored subjects. Every method raises InDoubt when nothing answers."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def last(self, stream: str, stored_filter: str, timeout: float) -> StoredMessage | None:
        """Return the newest matching fact, as the stream's leader knows it."""
        return await self._get(stream, {"last_by_subj": stored_filter}, timeout)

    async def next(
        self, stream: str, stored_filter: str, sequence: int, timeout: float
    ) -> StoredMessage | None:
        """Return the first matching fact at or after `sequence`, as the stream's leader knows it."""
        return await self._get(stream, {"seq": max(sequence, 1), "next_by_subj": stored_filter}, timeout)

    async def at(self, stream: str, sequences: Sequence[int], timeout: float) -> list[StoredMessage | None]:
        """Return the facts at some sequences, as the stream's leader knows them."""
        subject = f"$JS.API.STREAM.MSG.GET.{stream}"
        found = []
        for start in range(0, len(sequences), _AT_ONCE):
            bodies = [b'{"seq":%d}' % sequence for sequence in sequences[start : start + _AT_ONCE]]
            for reply in await self._requests.ask_each(subject, bodies, timeout):
                if isinstance(reply, InDoubt):
                    raise reply
                found.append(_read(stream, reply))
        return found

    async def last_nearby(self, stream: str, stored_filter: str, timeout: float) -> StoredMessage | None:
        """Return the newest matching fact that the nearest replica knows; it may lack the latest facts."""
        reply = await self._requests.ask(
            f"$JS.API.DIRECT.GET.{stream}",
            json.dumps({"last_by_subj": stored_filter}).encode(),
            timeout,
        )
        headers = reply.headers
        status = headers.get("Status")
        if status == "404":
            return None
        if status is not None:
            raise InDoubt(f"reading {stream}: {status} {headers.get('Description', '')}")
        return StoredMessage(
            stream,
            int(headers["Nats-Sequence"]),
            headers["Nats-Subject"],
            header_block(headers),
            reply.data,
            parse_time(headers["Nats-Time-Stamp"]),
        )

    async def _get(self, stream: str, query: dict[str, Any], timeout: float) -> StoredMessage | None:
        reply = await self._requests.ask(
            f"$JS.API.STREAM.MSG.GET.{stream}", json.dumps(query).encode(), timeout
        )
        return _read(stream, reply)


def _read(stream: str, reply: Reply) -> StoredMessage | None:
    try:
        return read_message(stream, json.loads(reply.data))
    except StreamUnavailable as exc:
        raise InDoubt(str(exc)) from exc
