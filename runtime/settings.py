"""Every setting of every process, declared once: `FOLDLINE_<NAME>` in the environment or in `.env`."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.future_limit import MAX_FUTURE
from schemas.registry import DECLARED
from schemas.streams import Stream

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError("must be a power of two: 1, 2, 4, … 256")
    return value


def _checked_sites(value: str) -> str:
    for part in value.split(",") if value else ():
        if not _SITE.fullmatch(part.strip()):
            raise ValueError("must be sites with their addresses: fab1=http://…:18000,fab2=http://…")
    return value


_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}=https?://[^,\s]+")
Sites = Annotated[str, AfterValidator(_checked_sites)]
Partitions = Annotated[int, Field(ge=1, le=256), AfterValidator(_power_of_two)]
"""A power of two, so that each partition has the same number of job slots, see schemas.subjects."""


class Settings(BaseSettings):
    """The settings of a process, read once at its start and passed down; nothing else reads the environment.

    A wrong value ends the process with pydantic's message, which names the variable.
    """

    model_config = SettingsConfigDict(env_prefix="FOLDLINE_", env_file=".env", extra="ignore", frozen=True)

    # Where this installation is
    site: str = Field(
        "local", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of this site, a token in every subject."
    )
    host: str = Field(
        "127.0.0.1", description="Address that the HTTP surfaces and the embedded servers listen on."
    )
    api_port: Port = Field(9090, description="Port of the sessions API and of operations.")
    jobs_port: Port = Field(18000, description="Port of the jobs API of this site.")
    central_port: Port = Field(19000, description="Port of the jobs API of a centre, for all its sites.")
    sidecar_port: Port = Field(8000, description="Port of a host's sidecar.")
    metrics_port: Port = Field(0, description="Port of a consumer's own /metrics and /health; 0 = none.")

    # The line
    nats_url: str = Field("nats://127.0.0.1:4222", description="URLs of the NATS servers, comma-separated.")
    nats_user: str | None = Field(None, description="NATS user name, if the server asks for one.")
    nats_password: str | None = Field(None, description="NATS password.", repr=False)
    nats_monitor_url: str | None = Field(
        "http://127.0.0.1:8222",
        description="Monitoring URLs of all NATS servers, comma-separated, to check that acks are synced.",
    )
    allow_unsynced: bool = Field(
        False, description="Accept a NATS server that acknowledges before it syncs to disk."
    )
    partitions: Partitions = Field(
        16, description="Partitions of every stream: 1, 2, 4, … 256. They cannot be changed later."
    )
    stream_replicas: int = Field(1, ge=1, le=5, description="Replicas of each stream in a NATS cluster.")
    max_body: int = Field(
        1 << 20,
        ge=1024,
        le=1 << 20,
        description="Largest HTTP body, bytes; a batch of job events has its own limit.",
    )

    max_batch_body: int = Field(
        16 << 20, ge=1024, le=64 << 20, description="Largest HTTP body of a batch of job events, bytes."
    )
    sites: Sites = Field(
        "",
        description="Sites that a centre gathers: fab1=http://…:18000,fab2=…; empty = this is a site.",
    )
    own_site_only: bool = Field(
        False,
        description="Streams and routes take facts of this site only, as a site below a centre needs.",
    )

    # Read models
    database_url: str | None = Field(
        None,
        description="PostgreSQL URL or DSN; unset = the server of `foldline up` in data_dir.",
        repr=False,
    )
    pool_size: int = Field(8, ge=1, description="Most PostgreSQL connections of an API process.")
    batch_events: int = Field(5_000, ge=1, le=50_000, description="Most events in one batch of a consumer.")
    buffer_events: int = Field(20_000, ge=1, description="Most events that a consumer holds in memory.")
    buffer_bytes: int = Field(
        64 << 20, ge=1 << 20, description="Most bytes of events that a consumer holds in memory."
    )
    lease_ttl: Seconds = Field(
        5.0, description="Seconds until a silent consumer loses its partitions; the same for all consumers."
    )
    rebuild_workers: int = Field(
        2, ge=1, le=64, description="Processes that fold in parallel for a rebuild or a verification."
    )
    connect_timeout: Seconds = Field(
        60.0, description="Seconds that a starting process waits for NATS, and for PostgreSQL."
    )

    # Judgements and waits
    heartbeat_timeout: Seconds = Field(
        60.0, description="Seconds of silence after which a session is suspended."
    )
    job_stall_timeout: Seconds = Field(
        300.0, description="Seconds of silence after which a running job is shown as stalled."
    )
    job_max_skew: float = Field(
        float(MAX_FUTURE.seconds),
        ge=0,
        le=MAX_FUTURE.seconds,
        description="Seconds that an event of a job may lie in the future.",
    )
    session_retention_days: float = Field(
        0,
        ge=0,
        le=36_500,
        description="Days without a sign of life until a session expires; 0 = it is kept for ever.",
    )
    publish_timeout: Seconds = Field(5.0, description="Longest wait for a durable acknowledgement, seconds.")
    default_wait_ms: int = Field(
        1_000,
        ge=0,
        description="Milliseconds that a write waits to be readable, unless the request says otherwise.",
    )
    live_events: int = Field(
        10_000,
        ge=1,
        description="Events that an API process keeps for clients that reconnect to its live stream.",
    )
    max_wait_ms: int = Field(
        30_000, ge=0, description="Longest wait that a request may ask for, milliseconds."
    )

    # `foldline up`
    data_dir: Path = Field(Path("foldline-data"), description="Folder with all data of the embedded servers.")
    consumers: int = Field(1, ge=1, le=64, description="Consumer processes that `foldline up` starts.")
    nats_server: str | None = Field(
        None, description="Path of a nats-server binary to use instead of the installed package's."
    )
    postgres_bin: Path | None = Field(
        None, description="Folder of PostgreSQL binaries to use instead of the installed package's."
    )
    nats_port: Port = Field(4222, description="Client port of the embedded NATS.")
    nats_monitor_port: Port = Field(8222, description="Monitoring port of the embedded NATS.")
    external_nats: bool = Field(
        False, description="`foldline up` uses nats_url instead of starting a NATS server."
    )
    external_postgres: bool = Field(
        False, description="`foldline up` uses database_url instead of starting PostgreSQL."
    )

    # The sidecar of a host
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

    daemon_port: Port = Field(8079, description="Port of a host's session daemon.")
    daemon_flush_interval: Seconds = Field(
        5.0, description="Seconds between two totals that the session daemon sends of a counter or histogram."
    )
    daemon_heartbeat_interval: Seconds = Field(
        15.0, description="Seconds between two heartbeats that the session daemon sends for a session."
    )
    daemon_check_interval: Seconds = Field(
        5.0, description="Seconds between two checks of the session daemon for hung and ended applications."
    )

    # Telemetry
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Lowest level that is logged."
    )
    log_json: bool = Field(False, description="Log JSON lines instead of text.")
    otlp_endpoint: str | None = Field(
        None,
        description="OTLP/HTTP endpoint that receives the spans of our own processes; unset = none are sent.",
    )

    @property
    def endpoints(self) -> dict[str, str]:
        """The address of each site's jobs API, by site; empty unless this process is of a centre."""
        return dict(part.strip().split("=", 1) for part in self.sites.split(",") if part.strip())

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams of this line: a site's own, or a centre's copies."""
        return DECLARED.streams_of(self.endpoints)

    @property
    def spool(self) -> Path:
        """The folder of the sidecar's spool."""
        return self.spool_dir or self.data_dir / "spool"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the process's settings, read from the environment once. Raises pydantic's ValidationError."""
    return Settings()


def environment_of(config: Settings) -> dict[str, str]:
    """Return the environment variables that give another process the same settings."""
    given = {name: getattr(config, name) for name in config.model_fields_set}
    return {f"FOLDLINE_{name.upper()}": str(value) for name, value in given.items() if value is not None}
