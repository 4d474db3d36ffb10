"""Settings of the routes that read and write."""

from pydantic import Field

from runtime.settings.base import ProcessSettings, Seconds
from runtime.settings.database import ServerSettings
from runtime.settings.line import IngestSettings


class WaitSettings(ProcessSettings):
    """Waits of requests for a read model."""

    default_wait_ms: int = Field(
        1_000,
        ge=0,
        description="Milliseconds that a write waits to be readable, unless the request says otherwise.",
    )
    max_wait_ms: int = Field(
        30_000, ge=0, description="Longest wait that a request may ask for, milliseconds."
    )


class JudgementSettings(ProcessSettings):
    """The silence after which something counts as dead, and how long it is kept."""

    heartbeat_timeout: Seconds = Field(
        60.0, description="Seconds of silence after which a session is suspended."
    )
    job_stall_timeout: Seconds = Field(
        300.0, description="Seconds of silence after which a running job is shown as stalled."
    )
    session_retention_days: float = Field(
        0,
        ge=0,
        le=36_500,
        description="Days without a sign of life until a session expires; 0 = it is kept for ever.",
    )


class ReadSettings(ServerSettings, WaitSettings, JudgementSettings):
    """Read routes."""

    live_events: int = Field(
        10_000,
        ge=1,
        description="Events that an API process keeps for clients that reconnect to its live stream.",
    )


class WriteSettings(IngestSettings, WaitSettings):
    """Write routes."""
