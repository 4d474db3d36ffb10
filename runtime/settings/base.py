"""Settings that every process reads, and what all settings have in common."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "FOLDLINE_"
"""A setting `nats_url` is the variable FOLDLINE_NATS_URL."""

Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, le=1e9)]
Text = Annotated[str, Field(min_length=1)]
"""An empty variable is a slip, and does not mean another value than the default."""


class ProcessSettings(BaseSettings):
    """Settings are read once at the start of a process and passed down; nothing else reads the environment.

    A wrong value ends the process with a message that names the variable; so does a name that no process
    knows, see `unknown_names`. What is another process's setting is ignored.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    host: Text = Field("127.0.0.1", description="Address that surfaces and the embedded servers listen on.")
    data_dir: Path = Field(Path("foldline-data"), description="Folder with all data of the embedded servers.")
    connect_timeout: Seconds = Field(
        60.0, description="Seconds that a starting process waits for NATS, and for PostgreSQL."
    )
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="Lowest level that is logged."
    )
    log_json: bool = Field(False, description="Log JSON lines instead of text.")
    otlp_endpoint: str | None = Field(
        None,
        description="OTLP/HTTP endpoint that receives the spans of our own processes; unset = none are sent.",
    )


def environment_of(settings: ProcessSettings) -> dict[str, str]:
    """Return the environment variables that give another process the same settings."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {variable(name): str(value) for name, value in given.items() if value is not None}


def variable(name: str) -> str:
    """Return the environment variable of a setting."""
    return f"{PREFIX}{name.upper()}"
