"""The bodies that the session daemon answers with, for OpenAPI. Nothing is encoded by them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict


class Registered(TypedDict):
    """The session that began."""

    session_id: str


class Done(TypedDict):
    """The report is in the event stream, or on this host's disk."""

    success: Literal[True]
    status: Literal["ok"]


class DaemonHealth(TypedDict):
    """The daemon runs; `sessions` is how many it watches."""

    status: Literal["ok"]
    sessions: int


class KnownSession(TypedDict):
    """A session that has not ended, as the daemon knows it. Its events and metrics are not kept here."""

    id: str
    session_id: Annotated[str, Field(description="Equal to `id`.")]
    product: str
    version: str
    parent_pid: int
    created_at: datetime
    updated_at: datetime
    last_heartbeat: Annotated[datetime | None, Field(description="Of the application.")]
    active: Literal[True]
    hung: bool
    heartbeat_paused: bool
    state: Annotated[dict[str, Any], Field(description="What was last sent, by top-level key.")]
    events: Annotated[list[Any], Field(max_length=0)]
    metrics: Annotated[list[Any], Field(max_length=0)]
