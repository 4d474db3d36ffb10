"""The connection to NATS that every process makes, with settings measured to survive restarts."""

import asyncio
import logging
import time

from nats.errors import Error, NoServersError

import runtime.compat.nats_unreadable  # noqa: F401 - for its effect on the client
from runtime.compat.nats_client import BusClient
from runtime.problems import Problem
from runtime.process.redact import without_credentials
from runtime.settings.line import LineSettings

logger = logging.getLogger("foldline.bus")


class BusUnreachable(Problem):
    """NATS did not answer within the connect timeout; the message names the setting to look at."""


async def connect_bus(
    settings: LineSettings, *, name: str, publisher: bool = False, client: BusClient | None = None
) -> BusClient:
    """Connect a client, a new one by default, and return it; from then on it reconnects for ever.

    The first connection is tried for `connect_timeout` seconds. With `publisher`, nothing is buffered while
    disconnected: a publish fails at once instead of being sent later behind its caller's back. Raises
    BusUnreachable.
    """
    client = client or BusClient()
    deadline = time.monotonic() + settings.connect_timeout
    failures: list[Exception] = []
    while True:
        try:
            # The client itself would try the first connection for ever, as it does all later ones.
            async with asyncio.timeout(deadline - time.monotonic()):
                await _connect(client, settings, name, publisher, failures)
                return client
        except (OSError, NoServersError, Error) as exc:
            if time.monotonic() >= deadline:
                # The deadline's own time-out says nothing of what went wrong before it.
                reason = failures[-1] if failures and isinstance(exc, TimeoutError) else exc
                where = without_credentials(settings.nats_url)
                raise BusUnreachable(
                    f"NATS at {where} does not answer: {str(reason) or type(reason).__name__}",
                    "FOLDLINE_NATS_URL",
                ) from exc
            await asyncio.sleep(0.2)


async def _connect(
    client: BusClient, settings: LineSettings, name: str, publisher: bool, failures: list[Exception]
) -> None:
    connected = False

    async def on_error(exc: Exception) -> None:
        if not connected:
            failures.append(exc)
        # First tries may fail while servers start; a command reports the last failure itself.
        logger.log(logging.WARNING if connected else logging.INFO, "nats: %s", str(exc) or type(exc).__name__)

    async def on_disconnect() -> None:
        if not client.is_closed:
            logger.warning("nats: disconnected")

    async def on_reconnect() -> None:
        logger.info("nats: connected again")

    await client.connect(
        [url.strip() for url in settings.nats_url.split(",")],
        name=name,
        user=settings.nats_user,
        password=settings.nats_password,
        connect_timeout=2,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # fractions work
        ping_interval=5,
        max_outstanding_pings=2,
        pending_size=0 if publisher else 2 << 20,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
    )
    connected = True


async def close_bus(client: BusClient) -> None:
    """Close the client, even while it is disconnected and has no server to tell."""
    try:
        await asyncio.wait_for(client.close(), 2)
    except (OSError, RuntimeError, Error) as exc:
        logger.debug("nats: closing: %s", exc)
