"""Server-sent events: their encoding, and the headers of an answer that consists of them."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Request
from pydantic_core import to_json

from runtime.http.openapi import inlined_schema

HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
SILENCE_S: Final = 15.0  # without an event, until a comment shows that the connection lives
KEEPALIVE: Final = b": ping\n\n"
CONNECTED: Final = b": connected\n\n"


def event_stream(data: Any) -> Mapping[str, Mapping[str, Any]]:
    """Describe an answer of server-sent events for OpenAPI; `data` is the type of what they carry."""
    carried = {"contentMediaType": "application/json", "contentSchema": inlined_schema(data)}
    text = {"type": "string", "description": "Server-sent events; `data` of each is JSON of `contentSchema`."}
    return {"text/event-stream": text | carried}


def wants_events(request: Request) -> bool:
    """Whether `Accept` asks for server-sent events."""
    return "text/event-stream" in request.headers.get("accept", "")


def named_event(name: str, data: Any) -> bytes:
    """Encode an event with a name of its own; `data` is sent as JSON."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(data))


def numbered_event(sequence: int, data: bytes) -> bytes:
    """Encode an event whose id is a sequence of a stream; `data` is JSON without line breaks."""
    return b"id: %d\ndata: %b\n\n" % (sequence, data)
