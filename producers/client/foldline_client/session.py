"""A session of a program without an event loop."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from foldline_client import details
from foldline_client.events import EventRecorder
from foldline_client.items import CRASHED, ENDED, SessionRef
from foldline_client.jsontext import encode, indexed
from foldline_client.metrics import MetricRecorder

if TYPE_CHECKING:
    from foldline_client.client import Client


class Session(EventRecorder, MetricRecorder):
    """One run of an application. Made by `create_session`; every method may be called from any thread.

    As a context manager it ends the session on leaving; an exception that leaves the block is logged first.
    It does not mark the session crashed: the process lives on and may well handle it. `crash()` does that.
    """

    def __init__(self, client: "Client", ref: SessionRef) -> None:
        super().__init__(client.thread, ref)
        self._client = client
        self.closes_client = False
        """Whether the end of this session closes its client as well: set by `create_session`."""

    def end(self, timeout: float = 5.0) -> bool:
        """End the session and wait up to `timeout` seconds for everything to be acknowledged.

        False: not yet; it is still being tried in the background, until the process ends. A second call
        changes nothing.
        """
        self._finish(ENDED, b"{}")
        return self._leave(timeout)

    def crash(self, reason: str = "abnormal_termination", timeout: float = 5.0) -> bool:
        """Mark the session crashed and over, then wait as `end()` does."""
        self._finish(CRASHED, encode({"reason": indexed(reason)}))
        return self._leave(timeout)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all recorded so far is acknowledged; False if `timeout` seconds were not enough."""
        return self._client.flush(timeout)

    def get_details(self, timeout: float = 10.0) -> dict[str, Any]:
        """Return the session as the API shows it, with everything recorded so far in it.

        Raises DetailsUnavailable: over nats:// without `api_url`, or if the API does not give it.
        """
        api_url = details.require_api(self._client.api_url)
        if not self.flush(timeout):
            raise details.unacknowledged(timeout)
        return details.fetch(api_url, self._ref, self._client.options, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not self._over:
            self.log_exception(error)
        self.end()

    def _leave(self, timeout: float) -> bool:
        return self._client.close(timeout) if self.closes_client else self._client.flush(timeout)
