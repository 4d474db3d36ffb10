"""The health of a sidecar, for OpenAPI. Nothing is encoded by it."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict


class SidecarHealth(TypedDict):
    """Whether the event stream answers, and how much waits for it."""

    status: Literal["ok", "degraded"]
    service: Literal["sidecar-agent"]
    version: str
    spool_count: Annotated[int, Field(description="Events that wait.")]
    spool_dir: str
    spool_bytes: int
    spool_oldest_s: Annotated[float, Field(description="The age of the oldest event that waits.")]
    poison_count: Annotated[int, Field(description="Events that the event stream refused for good.")]
    line: Literal["connected", "away"]
    line_problem: Annotated[str | None, Field(description="Why nothing is sent, and what to set.")]
