"""A session of an asyncio program."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from foldline_client import details
from foldline_client.events import EventRecorder
from foldline_client.items import CRASHED, ENDED, SessionRef
from foldline_client.jsontext import encode, indexed
from foldline_client.metrics import MetricRecorder

if TYPE_CHECKING:
    from foldline_client.async_client import AsyncClient


class AsyncSession(EventRecorder, MetricRecorder):
    """One run of an application. Made by `create_async_session`.

    The recording calls are plain calls as in Session, since they wait for nothing; only the calls that wait
    for the network are awaited: `end`, `crash`, `flush`, `get_details`.
    """

    def __init__(self, client: "AsyncClient", ref: SessionRef) -> None:
        super().__init__(client, ref)
        self._client = client
        self.closes_client = False
        """Whether the end of this session closes its client as well: set by `create_async_session`."""

    async def end(self, timeout: float = 5.0) -> bool:
        """End the session and wait up to `timeout` seconds for everything to be acknowledged.

        False: not yet; it is still being tried in the background, until the loop ends. A second call changes
        nothing.
        """
        self._finish(ENDED, b"{}")
        return await self._leave(timeout)

    async def crash(self, reason: str = "abnormal_termination", timeout: float = 5.0) -> bool:
        """Mark the session crashed and over, then wait as `end()` does."""
        self._finish(CRASHED, encode({"reason": indexed(reason)}))
        return await self._leave(timeout)

    async def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all recorded so far is acknowledged; False if `timeout` seconds were not enough."""
        return await self._client.flush(timeout)

    async def get_details(self, timeout: float = 10.0) -> dict[str, Any]:
        """Return the session as the API shows it, with everything recorded so far in it.

        Raises DetailsUnavailable: over nats:// without `api_url`, or if the API does not give it.
        """
        api_url = details.require_api(self._client.api_url)
        if not await self.flush(timeout):
            raise details.unacknowledged(timeout)
        return await details.fetch_async(api_url, self._ref, self._client.options, timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not self._over:
            self.log_exception(error)
        await self.end()

    async def _leave(self, timeout: float) -> bool:
        return await (self._client.close(timeout) if self.closes_client else self._client.flush(timeout))
