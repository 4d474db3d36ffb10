"""Settings of each process, composed of the parts that it uses; ports of surfaces come from `foldline`."""

from pathlib import Path

from pydantic import Field

from runtime.settings.base import Port, ProcessSettings
from runtime.settings.database import FoldSettings
from runtime.settings.http import JudgementSettings, ReadSettings, WriteSettings
from runtime.settings.line import IngestSettings
from runtime.settings.sidecar import DaemonSettings, SpoolSettings


class ConsumerSettings(FoldSettings, IngestSettings, JudgementSettings):
    """`foldline consumer`."""

    metrics_port: Port = Field(
        0, description="Port of a consumer's own /metrics, /ready and /health; 0 = none."
    )


class ApiSettings(FoldSettings, ReadSettings, WriteSettings):
    """`foldline api`, which also rebuilds and verifies where it is asked to."""


class CentralSettings(ReadSettings):
    """`foldline central`."""


class SidecarSettings(IngestSettings, SpoolSettings, DaemonSettings, JudgementSettings):
    """`foldline sidecar`."""


class CommandSettings(FoldSettings, WriteSettings):
    """Commands that look at a line or change it."""


class EmbeddedSettings(ProcessSettings):
    """Servers that `foldline up` starts, or uses."""

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


class UpSettings(ConsumerSettings, ApiSettings, SidecarSettings, EmbeddedSettings):
    """`foldline up`: the settings of all processes, for it checks them before it starts any."""
