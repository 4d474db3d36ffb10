"""The connection of a program without an event loop: a buffer and a thread, shared by its sessions."""

from types import TracebackType
from typing import Any, Self

from foldline_client.opening import api_of, make_pump, open_session
from foldline_client.options import Options
from foldline_client.pump import Stats
from foldline_client.pump_thread import PumpThread
from foldline_client.session import Session


class Client:
    """A client for programs with many sessions; `create_session` is enough for one.

    `options` are the fields of `Options`. Raises ValueError for a wrong address or option. Does not connect:
    that happens in the background, as often as it takes.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.options = Options(**options)
        self.api_url = api_of(url, self.options)
        self.thread = PumpThread(lambda: make_pump(url, self.options), self.options.exit_timeout)

    def create_session(
        self,
        product: str,
        version: str,
        hostname: str | None = None,
        machine_id: str | None = None,
        session_id: str | None = None,
    ) -> Session:
        """Open a session; it shares this client's buffer and connection."""
        ref = open_session(self.thread.pump, self.url, product, version, hostname, machine_id, session_id)
        return Session(self, ref)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all recorded so far is acknowledged; False if `timeout` seconds were not enough."""
        return self.thread.flush(timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Flush and disconnect. False: not done in time, it goes on until the process ends."""
        return self.thread.close(timeout)

    def get_stats(self) -> Stats:
        """Return counters: queued, delivered, dropped, rejected, retries."""
        return self.thread.pump.stats()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_session(
    url: str,
    product: str,
    version: str,
    hostname: str | None = None,
    machine_id: str | None = None,
    session_id: str | None = None,
    **options: Any,
) -> Session:
    """Open a session over `nats://host:4222` or `http://host:9090` and return at once, server or no server.

    `hostname` is this machine's name unless told (`""` leaves it out); `machine_id` lets the server see that
    a machine came back without its old session. `options` are the fields of `Options`.
    """
    client = Client(url, **options)
    try:
        session = client.create_session(product, version, hostname, machine_id, session_id)
    except BaseException:
        client.close(0)
        raise
    session.closes_client = True
    return session
