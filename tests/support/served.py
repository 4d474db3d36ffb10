"""Applications served on real sockets, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from runtime.compat.uvicorn_http import SingleWriteProtocol
from runtime.compat.uvicorn_server import SideServer
from tests.support.waiting import wait_until


@asynccontextmanager
async def served(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serve an application as our processes do and give its URL; requests under way are cut at the end."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http=SingleWriteProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=0,
    )
    server = SideServer(config)
    running = asyncio.create_task(server.serve())
    await wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
