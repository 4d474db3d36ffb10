"""The bodies that ingest routes of jobs answer with, for OpenAPI. Nothing is encoded by them."""

from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

INGEST_ERRORS: Final = (400, 413, 415, 503)
STORE_ERRORS: Final = (400, 409, 413, 415, 503)
"""The errors of routes that know what is stored. A sidecar does not, and has `INGEST_ERRORS`."""


class RefusedItem(TypedDict):
    """An item of a batch that was refused; the others are kept."""

    index: int
    error: Annotated[str, Field(description="A stable word.")]
    detail: str


class AcceptedEvent(TypedDict):
    """The event is in the event stream, or synced in the spool."""

    ok: Literal[True]


class StoredEvent(AcceptedEvent):
    """The event is in the event stream."""

    duration_s: float


class StoredBatch(TypedDict):
    """How many events of a batch are in the event stream, and what is wrong with the others."""

    ok: Annotated[bool, Field(description="No event was refused.")]
    total: int
    success: int
    failed: int
    errors: list[RefusedItem]
    duration_s: float


class SpooledBatch(TypedDict):
    """Where the events of a batch are; `failed` and `errors` are absent when none was refused."""

    ok: Annotated[bool, Field(description="No event was refused.")]
    forwarded: Annotated[int, Field(description="Events that are in the event stream.")]
    spooled: Annotated[int, Field(description="Events that wait on this host's disk.")]
    failed: NotRequired[int]
    errors: NotRequired[list[RefusedItem]]
