"""Settings of PostgreSQL, and of what folds into it."""

from typing import Annotated

from pydantic import Field

from runtime.settings.base import ProcessSettings
from runtime.settings.line import LineSettings


class DatabaseSettings(ProcessSettings):
    """PostgreSQL, which holds the read models."""

    database_url: str | None = Field(
        None,
        description="PostgreSQL URL or DSN; unset = the server of `foldline up` in data_dir.",
        repr=False,
    )
    pool_size: int = Field(8, ge=1, description="Most PostgreSQL connections of a process that reads.")


class ServerSettings(LineSettings, DatabaseSettings):
    """Both servers."""


class FoldSettings(ServerSettings):
    """Folding: a consumer's batches, and the workers of a rebuild or a verification."""

    batch_events: int = Field(5_000, ge=1, le=50_000, description="Most events in one batch of a consumer.")
    buffer_events: int = Field(20_000, ge=1, description="Most events that a consumer holds in memory.")
    buffer_bytes: int = Field(
        64 << 20, ge=1 << 20, description="Most bytes of events that a consumer holds in memory."
    )
    lease_ttl: Annotated[float, Field(ge=0.5, le=3600)] = Field(
        5.0, description="Seconds until a silent consumer loses its partitions; the same for all consumers."
    )
    rebuild_workers: int = Field(
        2, ge=1, le=64, description="Processes that fold in parallel for a rebuild or a verification."
    )
