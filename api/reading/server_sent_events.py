"""Server-sent events: their encoding, and the headers of an answer that consists of them."""

from typing import Any, Final

from fastapi import Request
from pydantic_core import to_json

HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
SILENCE_S: Final = 15.0  # without an event, until a comment shows that the connection lives
KEEPALIVE: Final = b": ping\n\n"
CONNECTED: Final = b": connected\n\n"


def wants_events(request: Request) -> bool:
    """Whether `Accept` asks for server-sent events."""
    return "text/event-stream" in request.headers.get("accept", "")


def named_event(name: str, data: Any) -> bytes:
    """Encode an event with a name of its own; `data` is sent as JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(data))


def numbered_event(sequence: int, data: bytes) -> bytes:
    """Encode an event whose id is a sequence of a stream; `data` is JSON without line breaks."""
    return b"id: %d\ndata: %b\n\n" % (sequence, data)
