"""A small HTTP server beside the main work of a process, for probes and Prometheus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from runtime.compat.uvicorn_server import SideServer
from runtime.http.listeners import bound_socket

_DRAIN_S: Final = 2  # its answers are short


@asynccontextmanager
async def side_server(host: str, port: int, setting: str, app: ASGIApp) -> AsyncIterator[int]:
    """Serve `app` for the length of the block, and give the port; it takes no signals. Raises Problem."""
    with bound_socket(host, port, setting) as bound:
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
        server = SideServer(config)
        running = asyncio.create_task(server.serve(sockets=[bound]))
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            await running
