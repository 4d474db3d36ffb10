"""The options of a client: everything that can be passed to `create_session(url, …, **options)`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
MAX_BODY: Final = 1 << 20
"""The largest fact the line takes, bytes."""

NATS_SCHEMES: Final = ("nats", "tls")
HTTP_SCHEMES: Final = ("http", "https")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of one client. Times are seconds, sizes bytes. Raises ValueError for what cannot work."""

    site: str = "local"
    """The site token of published subjects (`nats://` only; over HTTP the server knows its site)."""
    buffer_items: int = 10_000
    """The most facts kept in memory while they wait for an acknowledgement."""
    buffer_bytes: int = 16 << 20
    """The most bytes of facts kept in memory."""
    batch_items: int = 500
    """The most facts sent at once, from 1 to 1000, which is all that one atomic batch of JetStream holds."""
    batch_bytes: int = 4 << 20
    """The most bytes sent at once."""
    request_timeout: float = 5.0
    """How long one try waits for its acknowledgement."""
    retry_first: float = 0.1
    """The first pause after a failed try; it doubles, with jitter, up to `retry_max`."""
    retry_max: float = 5.0
    """The longest pause between tries (a server's Retry-After may ask for more)."""
    exit_timeout: float = 2.0
    """How long the interpreter's exit waits for what is still in the buffer."""
    parallel: int = 8
    """The most HTTP requests, or single publishes, at once; never two of one session."""
    api_url: str | None = None
    """Where `get_details()` asks when the line is `nats://`, such as `http://host:9090`."""
    partitions: int = 16
    """The line's number of partitions (`nats://` with `api_url`: to read what was written)."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with every HTTP request, such as `{"Authorization": "Bearer …"}`."""
    http_options: Mapping[str, Any] = field(default_factory=dict)
    """More arguments for `httpx.AsyncClient` and `httpx.Client`: `verify`, `trust_env`, …"""
    nats_options: Mapping[str, Any] = field(default_factory=dict)
    """More arguments for `nats.connect`: `user_credentials`, `inbox_prefix`, `tls`, …"""

    def __post_init__(self) -> None:
        if not TOKEN.fullmatch(self.site):
            raise ValueError(f"site {self.site!r} is not 1 to 128 characters of A-Z a-z 0-9 _ -")
        if not 1 <= self.batch_items <= 1000:
            raise ValueError(f"batch_items={self.batch_items!r} is not a number from 1 to 1000")
        for name in ("buffer_items", "buffer_bytes", "batch_bytes", "parallel", "partitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)!r} is not 1 or more")
        for name in ("request_timeout", "retry_first", "retry_max"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name}={getattr(self, name)!r} is not a number of seconds above 0")


def scheme_of(url: str) -> str:
    """Return `nats` or `http`, by the scheme of `url`. Raises ValueError for any other address."""
    scheme, separator, rest = url.partition("://")
    if separator and rest:
        if scheme in NATS_SCHEMES:
            return "nats"
        if scheme in HTTP_SCHEMES:
            return "http"
    raise ValueError(f"{url!r} is not an address like nats://host:4222 or http://host:9090")
