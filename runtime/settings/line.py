"""Settings of the line: where its servers are, how its streams are, and what facts may be."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from runtime.settings.base import ProcessSettings, Text
from schemas.future_limit import MAX_FUTURE
from schemas.registry import DECLARED
from schemas.streams import Stream

_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}=https?://[^,\s]+")


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError("must be a power of two: 1, 2, 4, … 256")
    return value


def _checked_sites(value: str) -> str:
    for part in value.split(",") if value else ():
        if not _SITE.fullmatch(part.strip()):
            raise ValueError("must be sites with their addresses: fab1=http://…:18000,fab2=http://…")
    names = [part.partition("=")[0].strip() for part in value.split(",")]
    if len(set(names)) < len(names):
        raise ValueError("must name each site once")
    return value


Sites = Annotated[str, AfterValidator(_checked_sites)]
Partitions = Annotated[int, Field(ge=1, le=256), AfterValidator(_power_of_two)]
"""A power of two, so that each partition has the same number of job slots, see schemas.subjects."""


class LineSettings(ProcessSettings):
    """The line: this site, its NATS servers and streams."""

    site: str = Field(
        "local", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Name of this site, a token in every subject."
    )
    sites: Sites = Field(
        "",
        description="Sites that a centre gathers: fab1=http://…:18000,fab2=…; empty = this is a site.",
    )
    own_site_only: bool = Field(
        False,
        description="Streams and routes take facts of this site only, as a site below a centre needs.",
    )
    nats_url: Text = Field("nats://127.0.0.1:4222", description="URLs of the NATS servers, comma-separated.")
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

    @property
    def endpoints(self) -> dict[str, str]:
        """The address of each site's jobs API, by site; empty unless this process is of a centre."""
        return dict(part.strip().split("=", 1) for part in self.sites.split(",") if part.strip())

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams of this line: a site's own, or a centre's copies."""
        return DECLARED.streams_of(self.endpoints)


class IngestSettings(LineSettings):
    """Admission of facts, and their way to the line."""

    max_body: int = Field(
        1 << 20,
        ge=1024,
        le=1 << 20,
        description="Largest HTTP body, bytes; a batch of job events has its own limit.",
    )
    max_batch_body: int = Field(
        16 << 20, ge=1024, le=64 << 20, description="Largest HTTP body of a batch of job events, bytes."
    )
    job_max_skew: float = Field(
        float(MAX_FUTURE.seconds),
        ge=0,
        le=MAX_FUTURE.seconds,
        description="Seconds that an event of a job may lie in the future.",
    )
    publish_timeout: Annotated[float, Field(gt=0, le=60)] = Field(
        5.0, description="Longest wait for a durable acknowledgement, seconds."
    )
