"""Reading single facts back from a stream, for decisions on the write side."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from producers.requests import InDoubt, Reply, Requests
from schemas.facts import MESSAGE_ID
from schemas.headers import headers_of
from schemas.subjects import Subject
from schemas.times import parse_time

_NOT_FOUND: Final = (404, 10037)


@dataclass(frozen=True, slots=True)
class Stored:
    """One fact as the stream keeps it."""

    sequence: int
    subject: Subject
    headers: Mapping[str, str]
    body: bytes
    stored_at: datetime

    @property
    def message_id(self) -> str | None:
        return self.headers.get(MESSAGE_ID)


class StoredFacts:
    """Looks up facts by stored subject or filter. Every method raises InDoubt when nothing answers."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def last(self, stream: str, stored_filter: str, timeout: float) -> Stored | None:
        """The newest matching fact, as the stream's leader knows it."""
        return await self._get(stream, {"last_by_subj": stored_filter}, timeout)

    async def next(self, stream: str, stored_filter: str, sequence: int, timeout: float) -> Stored | None:
        """The first matching fact at or after `sequence`, as the stream's leader knows it."""
        return await self._get(stream, {"seq": max(sequence, 1), "next_by_subj": stored_filter}, timeout)

    async def last_nearby(self, stream: str, stored_filter: str, timeout: float) -> Stored | None:
        """The newest matching fact that the nearest replica knows; it may not have the latest ones yet."""
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
        return _from_direct(reply, headers)

    async def _get(self, stream: str, query: dict[str, Any], timeout: float) -> Stored | None:
        reply = await self._requests.ask(
            f"$JS.API.STREAM.MSG.GET.{stream}", json.dumps(query).encode(), timeout
        )
        answer = json.loads(reply.data)
        if error := answer.get("error"):
            if (error["code"], error["err_code"]) == _NOT_FOUND:
                return None
            raise InDoubt(f"reading {stream}: {error['description']}")
        message = answer["message"]
        return Stored(
            sequence=message["seq"],
            subject=Subject.parse_stored(message["subject"]),
            headers=headers_of(base64.b64decode(message.get("hdrs", ""))),
            body=base64.b64decode(message.get("data", "")),
            stored_at=parse_time(message["time"]),
        )


def _from_direct(reply: Reply, headers: Mapping[str, str]) -> Stored:
    return Stored(
        sequence=int(headers["Nats-Sequence"]),
        subject=Subject.parse_stored(headers["Nats-Subject"]),
        headers=headers,
        body=reply.data,
        stored_at=parse_time(headers["Nats-Time-Stamp"]),
    )
