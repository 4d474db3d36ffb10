"""The two real servers of a measurement, embedded, in a temporary directory of their own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from consumers.reactors.catalogue import install_reactors
from foldline.embedded.nats import NatsServer
from foldline.embedded.ports import pick_port
from foldline.embedded.postgres import PostgresServer
from foldline.settings import Settings
from foldline.surfaces import SURFACES
from line.connection import close_bus, connect_bus
from line.streams import prepare_line
from projections.catalogue import PROJECTIONS
from projections.install import install
from runtime.database.connections import connect_with_retry
from runtime.database.engine.install import install_engine
from runtime.settings.processes import UpSettings


@asynccontextmanager
async def servers(*, sync_always: bool = True, **changes: Any) -> AsyncIterator[UpSettings]:
    """Run NATS, which syncs before it acknowledges, and PostgreSQL, which syncs its commits, for a block.

    Streams, tables and read models are installed. `changes` are settings.
    """
    with tempfile.TemporaryDirectory(prefix="foldline-bench-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        await asyncio.to_thread(folder.chmod, 0o711)  # PostgreSQL may run as another user
        nats, postgres = (
            NatsServer(folder / "nats", sync_always=sync_always),
            PostgresServer(folder / "postgres"),
        )
        try:
            await asyncio.to_thread(nats.start)
            await asyncio.to_thread(postgres.start)
            ports: dict[str, Any] = {surface.port_setting: pick_port("127.0.0.1") for surface in SURFACES}
            config = Settings(
                _env_file=None,
                nats_url=nats.url,
                nats_monitor_url=nats.monitor_url,
                database_url=postgres.dsn,
                spool_dir=folder / "spool",
                log_level="warning",
                allow_unsynced=not sync_always,
                **ports,
                **changes,
            )
            await _prepare(config)
            yield config
        finally:
            try:
                await asyncio.to_thread(postgres.stop)
            finally:  # also when a signal comes while that is waited for
                await asyncio.to_thread(nats.stop)


async def _prepare(config: UpSettings) -> None:
    nc = await connect_bus(config, name="bench")
    await prepare_line(nc, config)
    await close_bus(nc)
    async with await connect_with_retry(config, name="bench") as conn:
        await install_engine(conn)
        for projection in PROJECTIONS:
            await install(conn, projection, config.partitions)
        await install_reactors(conn, config)
