"""The JetStream API: calls, and the error codes that decide something here."""

import asyncio
import json
from enum import IntEnum
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error

from line.problems import StreamGone, StreamUnavailable

NO_LEADER: Final = 503
"""`code` of an error when a cluster has no leader yet, or when nothing answered."""


class ErrorCode(IntEnum):
    """`err_code` of a JetStream error. `code` beside it follows HTTP and says less."""

    TOO_FEW_SERVERS = 10005
    CONSUMER_NOT_FOUND = 10014
    MESSAGE_NOT_FOUND = 10037
    SEQUENCE_NOT_FOUND = 10043
    STREAM_NAME_IN_USE = 10058
    STREAM_NOT_FOUND = 10059
    WRONG_LAST_SEQUENCE = 10071
    NO_CLUSTER = 10074
    CONSUMER_EXISTS = 10148
    # In a cluster: the same message id, or the same subject, is being written at this moment.
    MESSAGE_ID_IN_PROGRESS = 10158
    SUBJECT_IN_PROGRESS = 10164
    # The messages of an atomic batch could not be staged: the server stages 50 batches of a stream at once.
    BATCH_INCOMPLETE = 10176
    TOO_MANY_BATCHES = 10210


async def request_api(
    nc: Client,
    call: str,
    body: dict[str, Any] | None = None,
    timeout: float = 5,
    *,
    domain: str | None = None,
) -> dict[str, Any]:
    """Make one API call by its bare name, in another site's `domain` if given. Errors come back in `error`.

    An unanswered call reads as `{"error": {"code": 503}}`, which is what a cluster without a leader says.
    """
    task = asyncio.current_task()
    cancelled = task.cancelling() if task else 0
    answer: dict[str, Any]
    try:
        reply = await nc.request(
            f"$JS.{f'{domain}.' if domain else ''}API.{call}",
            json.dumps(body).encode() if body else b"",
            timeout=timeout,
        )
        answer = json.loads(reply.data)
    except (Error, OSError) as exc:
        answer = {"error": {"code": NO_LEADER, "description": f"JetStream does not answer: {exc}"}}
    if task and task.cancelling() > cancelled:
        # `wait_for`, by which the client waits, swallows a cancellation that comes with the answer.
        raise asyncio.CancelledError
    return answer


async def request_stream(
    nc: Client, call: str, stream: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Make a call about a stream, such as `STREAM.INFO`. Raises StreamUnavailable, StreamGone."""
    answer = await request_api(nc, f"{call}.{stream}", body)
    if has_code(answer, ErrorCode.STREAM_NOT_FOUND):
        raise StreamGone(stream)
    if error := answer.get("error"):
        raise StreamUnavailable(stream, error)
    return answer


async def stream_info(nc: Client, stream: str) -> dict[str, Any]:
    """A stream's `config`, `state` and `created`. Raises StreamUnavailable, StreamGone."""
    return await request_stream(nc, "STREAM.INFO", stream)


def has_code(answer: dict[str, Any], *codes: ErrorCode) -> bool:
    """Whether an answer is an error with one of these codes."""
    return answer.get("error", {}).get("err_code") in codes
