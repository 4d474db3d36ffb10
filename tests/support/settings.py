"""Settings of the processes and clients under test."""

from typing import Any, Final

from foldline.embedded.nats import NatsServer
from foldline.settings import Settings

PARTITIONS: Final[int] = Settings.model_fields["partitions"].default
"""The number of partitions wherever a test does not choose its own."""


def line_settings(nats: NatsServer, dsn: str | None = None, **changes: Any) -> Settings:
    """Return settings for a line and a database.

    Leases are short, so that take-overs do not take long, and one process rebuilds: to start another takes
    more than all that most tests have to fold. Tests of several processes say so.
    """
    return Settings(
        _env_file=None,
        **{
            "nats_url": nats.url,
            "nats_monitor_url": nats.monitor_url,
            "database_url": dsn,
            "jobs_port": 0,
            "daemon_port": 0,
            "lease_ttl": 2.0,
            "rebuild_workers": 1,
            "connect_timeout": 30.0,
            "log_level": "info",
            **changes,
        },
    )
