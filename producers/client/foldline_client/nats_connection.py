"""One connection to NATS, used until it breaks."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any, Final, Self

from nats.aio.client import Client as Nats
from nats.errors import Error as NatsError

from foldline_client.errors import ThrottledWarning

CONNECTION_ERRORS: Final = (NatsError, OSError, TimeoutError, asyncio.InvalidStateError)


class PublishRefused(Exception):
    """JetStream answered, but not with an acknowledgement."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('description', 'refused')} ({error.get('err_code', 0)})")
        self.code = int(error.get("code", 0))
        self.err_code = int(error.get("err_code", 0))


class ConnectionLost(Exception):
    """The connection broke or stayed silent: the facts that were sent may be stored or not."""


class NatsConnection:
    """A connection without reconnects of its own.

    The transport makes the next one. So it alone decides what is sent again, and nothing is sent late behind
    its back.
    """

    def __init__(self, nats: Nats, closed: asyncio.Event) -> None:
        self._nats = nats
        self._closed = closed

    @classmethod
    async def open(cls, servers: list[str], options: Mapping[str, Any], timeout: float) -> Self:
        """Connect to the first server that answers, within `timeout` seconds. Raises CONNECTION_ERRORS."""
        nats = Nats()
        closed = asyncio.Event()
        warning = ThrottledWarning()

        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            # The only sign of a publish that permissions do not allow; other errors raise where one waits.
            if "permissions violation" in str(error):
                warning.warn("NATS: %s", error)

        try:
            async with asyncio.timeout(timeout):
                await nats.connect(
                    servers,
                    **{
                        "name": "foldline-client",
                        "allow_reconnect": False,
                        "max_reconnect_attempts": 1,  # nats-py never gives up its first connection at 0
                        "reconnect_time_wait": 0.05,
                        "connect_timeout": 2,
                        "ping_interval": 5,
                        "max_outstanding_pings": 2,
                        "error_cb": on_error,
                        "closed_cb": on_closed,
                        **options,
                    },
                )
        except BaseException:
            await _close(nats)
            raise
        return cls(nats, closed)

    @property
    def alive(self) -> bool:
        """Whether the connection can be used."""
        return self._nats.is_connected and not self._closed.is_set()

    @property
    def max_payload(self) -> int:
        """The bytes of the largest message that the server takes; a larger one would end the connection."""
        return self._nats.max_payload

    async def send(self, subject: str, body: bytes, headers: dict[str, str]) -> None:
        """Publish without asking for an acknowledgement: all of an atomic batch but its last."""
        await self._nats.publish(subject, body, headers=headers)

    async def publish(
        self, subject: str, body: bytes, headers: dict[str, str], timeout: float
    ) -> dict[str, Any]:
        """Publish and return JetStream's acknowledgement.

        Raises PublishRefused, ConnectionLost and CONNECTION_ERRORS; for a broken connection at once, not only
        when `timeout` has run out.
        """
        request = asyncio.ensure_future(self._nats.request(subject, body, timeout=timeout, headers=headers))
        closed = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({request, closed}, timeout=timeout + 1, return_when=asyncio.FIRST_COMPLETED)
            if not request.done():
                raise ConnectionLost("the connection was lost" if closed.done() else "no acknowledgement")
            answer = json.loads(request.result().data)
        except json.JSONDecodeError as exc:
            raise ConnectionLost(f"not an acknowledgement: {exc}") from None
        finally:
            closed.cancel()
            request.cancel()
        if "error" in answer:
            raise PublishRefused(answer["error"])
        return dict(answer)

    async def close(self) -> None:
        """Close the socket, whatever state it is in."""
        await _close(self._nats)


async def _close(nats: Nats) -> None:
    with contextlib.suppress(Exception):  # a connection that breaks while it is closed is closed
        async with asyncio.timeout(1):
            await nats.close()
