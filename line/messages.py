"""Single messages of a stream: at a sequence, the newest, or the next that matches a filter."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nats.aio.client import Client

from line.jetstream import ErrorCode, has_code, request_api
from line.problems import StreamUnavailable
from schemas.facts import MESSAGE_ID
from schemas.headers import header
from schemas.times import format_time, parse_time


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as its stream keeps it, byte for byte. `headers` is a block for `schemas.headers`."""

    stream: str
    sequence: int
    subject: str  # stored form
    headers: bytes
    body: bytes
    stored_at: datetime

    @property
    def fact(self) -> str:
        """The fact its subject names."""
        return self.subject.rpartition(".")[2]

    @property
    def message_id(self) -> str | None:
        """The message id it was published under."""
        return header(self.headers, MESSAGE_ID)


async def message_at(nc: Client, stream: str, sequence: int) -> StoredMessage | None:
    """The message at a sequence; None when the stream does not hold it. Raises StreamUnavailable."""
    return await _message(nc, stream, {"seq": sequence})


async def newest_message(nc: Client, stream: str, stored_filter: str) -> StoredMessage | None:
    """The newest message of a filter; None without one. Raises StreamUnavailable."""
    return await _message(nc, stream, {"last_by_subj": stored_filter})


async def next_message(nc: Client, stream: str, stored_filter: str, sequence: int) -> StoredMessage | None:
    """The first message of a filter at or after `sequence`; None without one. Raises StreamUnavailable."""
    return await _message(nc, stream, {"seq": max(sequence, 1), "next_by_subj": stored_filter})


async def first_message_since(nc: Client, stream: str, at: datetime) -> StoredMessage | None:
    """The first message stored at or after a time; None without one. Raises StreamUnavailable."""
    return await _message(nc, stream, {"start_time": format_time(at), "next_by_subj": ">"})


async def _message(nc: Client, stream: str, request: dict[str, Any]) -> StoredMessage | None:
    return read_message(stream, await request_api(nc, f"STREAM.MSG.GET.{stream}", request))


def read_message(stream: str, answer: dict[str, Any]) -> StoredMessage | None:
    """The message in an answer to `STREAM.MSG.GET`; None when there is none. Raises StreamUnavailable."""
    if has_code(answer, ErrorCode.MESSAGE_NOT_FOUND):
        return None
    if error := answer.get("error"):
        raise StreamUnavailable(stream, error)
    found: dict[str, Any] = answer["message"]
    return StoredMessage(
        stream,
        found["seq"],
        found["subject"],
        base64.b64decode(found.get("hdrs", "")),
        base64.b64decode(found.get("data", "")),
        parse_time(found["time"]),
    )
