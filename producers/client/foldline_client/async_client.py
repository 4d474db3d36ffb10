"""The connection of an asyncio program: a buffer and a task, shared by its sessions."""

import asyncio
from types import TracebackType
from typing import Any, Self

from foldline_client.async_session import AsyncSession
from foldline_client.opening import api_of, make_pump, open_session
from foldline_client.options import Options
from foldline_client.pump import Pump, Stats


class AsyncClient:
    """A client for programs with many sessions, made inside the running loop; options and errors as Client.

    The exit of the interpreter cannot wait for it, as its loop is gone by then: close it before.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.options = Options(**options)
        self.api_url = api_of(url, self.options)
        self._pump = make_pump(url, self.options)
        self._task = asyncio.get_running_loop().create_task(self._pump.run(), name="foldline-client")

    @property
    def pump(self) -> Pump:
        """The pump, running as a task of the loop."""
        return self._pump

    async def create_session(
        self,
        product: str,
        version: str,
        hostname: str | None = None,
        machine_id: str | None = None,
        session_id: str | None = None,
    ) -> AsyncSession:
        """Open a session; it shares this client's buffer and connection."""
        ref = open_session(self._pump, self.url, product, version, hostname, machine_id, session_id)
        return AsyncSession(self, ref)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all recorded so far is acknowledged; False if `timeout` seconds were not enough."""
        answered = asyncio.Event()
        self._pump.buffer.when_settled(answered.set)
        try:
            async with asyncio.timeout(timeout):
                await answered.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, timeout: float = 5.0) -> bool:
        """Flush and disconnect. False: not done in time, it goes on in the background until the loop ends."""
        self._pump.close()
        await asyncio.wait({self._task}, timeout=timeout)
        return self._pump.buffer.unsettled == 0

    def get_stats(self) -> Stats:
        """Return counters: queued, delivered, dropped, rejected, retries."""
        return self._pump.stats()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def create_async_session(
    url: str,
    product: str,
    version: str,
    hostname: str | None = None,
    machine_id: str | None = None,
    session_id: str | None = None,
    **options: Any,
) -> AsyncSession:
    """Open a session as `create_session` does, for an asyncio program; it does not wait either."""
    client = AsyncClient(url, **options)
    try:
        session = await client.create_session(product, version, hostname, machine_id, session_id)
    except BaseException:
        await client.close(0)
        raise
    session.closes_client = True
    return session
