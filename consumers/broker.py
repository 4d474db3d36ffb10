"""FastStream's connection to NATS, for task reactors: messages in no order, acknowledged when done."""

import logging

from faststream.nats import NatsBroker
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from faststream.nats.prometheus import NatsPrometheusMiddleware
from faststream.security import SASLPlaintext
from prometheus_client import REGISTRY

from runtime.compat.faststream_app import is_no_empty_fetch
from runtime.process.starting import start_with_retry
from runtime.process.telemetry import tracer_provider
from runtime.settings.line import LineSettings

faststream_logger = logging.getLogger("foldline.faststream")
faststream_logger.setLevel(logging.WARNING)  # it logs a line for each message at INFO
faststream_logger.addFilter(is_no_empty_fetch)


class ReconnectingBroker(NatsBroker):
    """FastStream's broker: starts also while NATS restarts, and reconnects for ever."""

    def __init__(self, config: LineSettings) -> None:
        security = SASLPlaintext(config.nats_user, config.nats_password or "") if config.nats_user else None
        super().__init__(
            [url.strip() for url in config.nats_url.split(",")],
            security=security,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            logger=faststream_logger,
            middlewares=(
                NatsPrometheusMiddleware(registry=REGISTRY),
                NatsTelemetryMiddleware(tracer_provider=tracer_provider(config, "foldline-consumer")),
            ),
        )
        self._within = config.connect_timeout

    async def start(self) -> None:
        """Connect and subscribe every task reactor. Raises Problem when NATS stays away."""
        await start_with_retry(super().start, timeout=self._within)
