"""Settings of a host's sidecar and of its session daemon."""

from pathlib import Path

from pydantic import Field

from runtime.settings.base import ProcessSettings, Seconds


class SpoolSettings(ProcessSettings):
    """The spool, which keeps events while the line is away."""

    spool_dir: Path | None = Field(
        None,
        description="Folder for events that wait in a sidecar for the line; unset = `spool` in data_dir.",
    )
    spool_max_events: int = Field(
        1_000_000, ge=1, description="Most events in the spool; when it is full the sidecar answers 503."
    )
    spool_max_bytes: int = Field(
        1 << 30, ge=1 << 20, description="Most bytes in the spool; when it is full the sidecar answers 503."
    )

    @property
    def spool(self) -> Path:
        """The folder of the spool."""
        return self.spool_dir or self.data_dir / "spool"


class DaemonSettings(ProcessSettings):
    """The session daemon."""

    daemon_flush_interval: Seconds = Field(
        5.0, description="Seconds between two totals that the session daemon sends of a counter or histogram."
    )
    daemon_heartbeat_interval: Seconds = Field(
        15.0, description="Seconds between two heartbeats that the session daemon sends for a session."
    )
    daemon_check_interval: Seconds = Field(
        5.0, description="Seconds between two checks of the session daemon for hung and ended applications."
    )
