"""Every way of a job's event to the line, each as its producers use it, with an engine behind them."""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

import httpx
from fastapi import FastAPI
from nats.aio.client import Client

from foldline.settings import Settings
from foldline.surfaces import JOBS
from producers.sidecar.carrier import Carrier
from producers.sidecar.ingest import SidecarSurface, sidecar_router
from producers.sidecar.line_connection import LineConnection
from producers.sidecar.spool import Spool
from runtime.compat.fastapi_routes import add_routes
from runtime.http.envelopes import JOBS as JOBS_ENVELOPE
from runtime.http.error_handlers import install_error_handlers
from schemas.subjects import token_of
from tests.support.engine import engine
from tests.support.served_surface import served_surface
from tests.support.waiting import wait_until

Told = Literal["ok", "refused", "dropped"]
"""What a producer is told: of `dropped` by JetStream's acknowledgement, which calls it a duplicate."""
Send = Callable[[dict[str, Any]], Awaitable[Told]]

DOORS: Final = ("api", "batch", "sidecar", "nats", "nats, recommended id", "nats, other ids")
WAIT: Final = {"Foldline-Wait": "20000"}


@dataclass
class Doors:
    """Every way of a job's event to the line."""

    http: httpx.AsyncClient
    sidecar: httpx.AsyncClient
    nc: Client

    def of(self, door: str) -> Send:
        """Return how to send an event through a door."""
        by_name: dict[str, Send] = {
            "api": self._api,
            "batch": self._batch,
            "sidecar": self._sidecar,
            "nats": lambda body: self._nats(body, None),
            "nats, recommended id": lambda body: self._nats(
                body, f"local:job:{_job(body)}:{body['idempotency_key']}"
            ),
            "nats, other ids": lambda body: self._nats(body, uuid.uuid4().hex),
        }
        return by_name[door]

    async def _api(self, body: dict[str, Any]) -> Told:
        answer = await self.http.post("/v1/ingest/events", content=text(body), headers=WAIT)
        if answer.status_code == 409:
            assert "idempotency key was used" in answer.json()["detail"]
            return "refused"
        assert answer.status_code == 200, answer.text
        assert "Foldline-Projected" not in answer.headers
        return "ok"

    async def _batch(self, body: dict[str, Any]) -> Told:
        content = b'[{"wrong":1},%b]' % text(body)
        answer = await self.http.post("/v1/ingest/events:batch", content=content, headers=WAIT)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["success"] + told["failed"] == told["total"] == 2
        if told["success"]:
            return "ok"
        assert [(one["index"], one["error"]) for one in told["errors"]][1:] == [(1, "key_reused")]
        return "refused"

    async def _sidecar(self, body: dict[str, Any]) -> Told:
        answer = await self.sidecar.post("/v1/ingest/events", content=text(body))
        assert (answer.status_code, answer.json()) == (200, {"ok": True})
        return "ok"

    async def _nats(self, body: dict[str, Any], message_id: str | None) -> Told:
        headers = None if message_id is None else {"Nats-Msg-Id": message_id}
        subject = f"ev.local.job.{token_of(_job(body))}.{body['event']['kind']}"
        ack = await self.nc.jetstream(timeout=20).publish(subject, text(body), headers=headers)
        return "dropped" if ack.duplicate else "ok"


def text(body: dict[str, Any]) -> bytes:
    """Return the body as it is sent; one that says so in another spelling."""
    body = dict(body)
    spelled = body.pop("spelled", False)
    sent = json.dumps(body, indent=2, sort_keys=True) if spelled else json.dumps(body)
    return sent.replace('"n": 1', '"n":1.0').encode() if spelled else sent.encode()


def _job(body: dict[str, Any]) -> str:
    return str(body["entity"].get("parent_id") or body["entity"]["id"])


@asynccontextmanager
async def open_doors(settings: Settings, nc: Client, folder: Path) -> AsyncIterator[Doors]:
    """Run engine, API and a sidecar until the block is left."""
    line = LineConnection(settings)
    spool = Spool(folder, max_facts=1_000, max_bytes=1 << 20)
    await spool.open()
    carrier = Carrier(spool, line.publisher)
    app = FastAPI()
    install_error_handlers(app, JOBS_ENVELOPE)
    surface = SidecarSurface(
        carrier=carrier, spool=spool, settings=settings, line=line, now=lambda: datetime.now(UTC)
    )
    add_routes(app, sidecar_router(surface))
    transport = httpx.ASGITransport(app)
    async with engine(settings), served_surface(settings, JOBS) as http, line.run(), carrier.run():
        await wait_until(lambda: line.connected)
        async with httpx.AsyncClient(transport=transport, base_url="http://sidecar") as sidecar:
            yield Doors(http, sidecar, nc)
    await spool.close()
