"""Transports for events of jobs: to a sidecar or a site's API over HTTP, or straight to JetStream.

All items are of one site. Their `ref.id` is the token of the job, also for its subjobs: all stay in order.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import httpx

from foldline_client.http_transport import MAX_SERVER_FAULTS, RETRIED_STATUSES, HttpTransport, retry_after
from foldline_client.items import OWN_CLOCK, Item
from foldline_client.job_events import event_key, keyed_body
from foldline_client.nats_transport import NatsTransport
from foldline_client.options import Options, scheme_of
from foldline_client.transport import DELIVERED, Outcome, Transport, in_session_order, rejected, retry

_PATH: Final = "/v1/ingest/events:batch"


def job_transport(url: str, options: Options) -> Transport:
    """Make the transport that the URL's scheme asks for. Raises ValueError for another scheme."""
    if scheme_of(url) == "nats":
        return JobNatsTransport(url, options)
    return JobHttpTransport(url, options)


class JobHttpTransport(HttpTransport):
    """Sends by `POST /v1/ingest/events:batch`, which a sidecar and a site's API have in common."""

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Send all in one request; if that is refused as a whole, one by one, to find the bad ones."""
        try:
            response = await self._connected().post(
                _PATH,
                content=b"[%b]" % b",".join(map(keyed_body, items)),
                headers={"Content-Type": "application/json", **OWN_CLOCK},
            )
        except httpx.RequestError as exc:
            return [retry(f"{type(exc).__name__}: {exc}")] * len(items)
        reason = f"HTTP {response.status_code}: {response.text[:200]}"
        if response.is_success:
            unknown = retry(f"neither a sidecar nor a site's API answers there: {reason}")
            return _outcomes(response, len(items)) or [unknown] * len(items)
        if response.status_code in RETRIED_STATUSES:
            return [retry(reason, retry_after(response))] * len(items)
        if len(items) > 1:
            return await in_session_order(items, self._send, self._options.parallel)
        if response.status_code >= 500:
            items[0].server_faults += 1
            return [retry(reason) if items[0].server_faults < MAX_SERVER_FAULTS else rejected(reason)]
        return [rejected(reason)]

    async def _send(self, item: Item) -> Outcome:
        [outcome] = await self.deliver([item])
        return outcome


class JobNatsTransport(NatsTransport):
    """Publishes to `ev.<site>.job.<token>.<kind>`, acknowledged when stored and synced."""

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Publish all as one atomic batch where the stream allows it."""
        return await super().deliver([replace(item, body=keyed_body(item)) for item in items])

    def _subject(self, item: Item) -> str:
        return f"ev.{self._options.site}.job.{item.ref.id}.{item.fact}"

    def _headers(self, item: Item) -> dict[str, str]:
        message_id = f"{self._options.site}:job:{item.ref.id}:{event_key(item)}"
        return {"Nats-Msg-Id": message_id, **OWN_CLOCK}


def _outcomes(response: httpx.Response, count: int) -> list[Outcome] | None:
    """Return the outcome of each event in an ingest's answer; None: this is another kind of server."""
    outcomes = [DELIVERED] * count
    try:
        answer = response.json()
        if "ok" not in answer:
            return None
        for error in answer.get("errors", ()):
            outcomes[error["index"]] = rejected(str(error.get("detail") or error.get("error")))
    except (ValueError, TypeError, LookupError, AttributeError):
        return None
    return outcomes
