"""One message as its stream keeps it, asked for by its sequence."""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nats.aio.client import Client

from runtime.line import api
from runtime.problems import StreamUnavailable
from schemas.times import parse_time

_NO_MESSAGE: Final = 10037


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """What was published, byte for byte. The subject is the stored one; `headers` as in `schemas.headers`."""

    stream: str
    sequence: int
    subject: str
    headers: bytes
    body: bytes
    stored_at: datetime


async def stored_message(nc: Client, stream: str, sequence: int) -> StoredMessage | None:
    """The message, None when the stream does not hold it. Raises StreamUnavailable."""
    answer = await api(nc, f"STREAM.MSG.GET.{stream}", {"seq": sequence})
    if error := answer.get("error"):
        if error.get("err_code") == _NO_MESSAGE:
            return None
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
