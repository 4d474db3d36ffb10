"""Control of projections by the engine's own commands, for `/v1/projections`."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, Final

from api.operations.projection_control import TaskUpdate
from api.reading.reader import Reader
from consumers.control.building_generation import drop_generation
from consumers.control.entity_rebuild import rebuild_entity
from consumers.control.overview import overview
from consumers.control.parked import parked_entities, retry_parked, skip_parked_event
from consumers.control.pause import pause, resume
from consumers.control.projection_lock import is_projection_locked
from consumers.control.rebuild import rebuild
from consumers.control.rebuild_progress import ProgressMeter, ReportProgress
from consumers.control.verify import verify
from foldline.background_task import Act, BackgroundTask
from projections.catalogue import PROJECTIONS, projection_named
from projections.generations import Generation, Role, cancel_building, generations, name_of
from projections.projection import Key
from runtime.compat.nats_client import BusClient
from runtime.database.connections import Connection
from runtime.process.tasks import cancel_and_wait
from runtime.settings.database import FoldSettings
from schemas.times import format_time

_ONE_READING: Final = ("rate", "eta", "elapsed")  # what cannot be told from a single one


class EngineProjectionControl:
    """Implements ProjectionControl on the API's connections; rebuilds and verifications fold in processes of
    their own."""

    names = tuple(projection.name for projection in PROJECTIONS)

    def __init__(self, settings: FoldSettings, reader: Reader, nc: BusClient) -> None:
        self._settings = settings
        self._reader = reader
        self._nc = nc
        self._tasks: set[BackgroundTask] = set()

    async def aclose(self) -> None:
        """End all background tasks; what was built is kept."""
        await cancel_and_wait(*(task.asyncio_task for task in self._tasks))

    async def overview(self) -> list[dict[str, Any]]:
        found = await self._reader.read(lambda conn: overview(self._nc, conn, PROJECTIONS))
        return [one.as_json() for one in found]

    async def pause(self, name: str, reason: str) -> int:
        return await self._reader.read(lambda conn: pause(conn, name, reason))

    async def resume(self, name: str) -> int:
        return await self._reader.read(lambda conn: resume(conn, name))

    def rebuild(
        self, name: str, *, anew: bool, put_back: bool, accept_loss: bool, workers: int | None
    ) -> AsyncIterator[TaskUpdate]:
        async def act(report: ReportProgress) -> dict[str, Any]:
            done = await rebuild(
                projection_named(name),
                self._config(workers),
                self._nc,
                report=report,
                anew=anew,
                put_back=put_back,
                accept_loss=accept_loss,
            )
            return {**done.as_json(), "generation": await self.live_number(name)}

        return self._begin(act)

    def verify(self, name: str, *, limit: int, workers: int | None) -> AsyncIterator[TaskUpdate]:
        async def act(report: ReportProgress) -> dict[str, Any]:
            found = await verify(
                projection_named(name), self._config(workers), self._nc, report=report, limit=limit
            )
            return found.as_json()

        return self._begin(act)

    async def building(self, name: str) -> dict[str, Any] | None:
        projection = projection_named(name)
        meter = ProgressMeter(self._nc, name, name_of(name, Role.BUILDING), projection.streams)

        async def read(conn: Connection) -> tuple[Generation, bool, dict[str, Any]] | None:
            found = (await generations(conn, name)).get(Role.BUILDING)
            if found is None:
                return None
            now = (await meter.read(conn, "folding")).as_json()
            return found, await is_projection_locked(conn, name), now

        found = await self._reader.read(read)
        if found is None:
            return None
        generation, running, now = found
        return {
            **{field: value for field, value in now.items() if field not in _ONE_READING},
            "generation": generation.number,
            "version": generation.version,
            "began_at": format_time(generation.began_at),
            "cancelled": generation.cancelled,
            "running": running,
        }

    async def live_number(self, name: str) -> int:
        found = await self._reader.read(lambda conn: generations(conn, name))
        return found[Role.LIVE].number

    async def cancel(self, name: str) -> bool:
        return await self._reader.read(lambda conn: cancel_building(conn, name))

    async def drop(self, name: str, generation: str) -> bool:
        return await drop_generation(self._config(None), name, Role(generation))

    async def rebuild_entity(self, name: str, key: Key, *, accept_loss: bool) -> int:
        partitions = self._settings.partitions
        return await self._reader.read(
            lambda conn: rebuild_entity(
                conn, self._nc, projection_named(name), key, partitions, accept_loss=accept_loss
            )
        )

    async def parked(self, name: str) -> list[dict[str, Any]]:
        found = await self._reader.read(lambda conn: parked_entities(conn, projection_named(name)))
        return [asdict(one) for one in found]

    async def retry(self, name: str, key: Key) -> int:
        partitions = self._settings.partitions
        return await self._reader.read(
            lambda conn: retry_parked(conn, projection_named(name), key, partitions)
        )

    async def skip(self, name: str, key: Key, reason: str) -> int:
        partitions = self._settings.partitions
        return await self._reader.read(
            lambda conn: skip_parked_event(conn, projection_named(name), key, partitions, reason)
        )

    def _config(self, workers: int | None) -> FoldSettings:
        config = self._settings
        return config if workers is None else config.model_copy(update={"rebuild_workers": workers})

    def _begin(self, act: Act) -> AsyncIterator[TaskUpdate]:
        task = BackgroundTask(act)
        self._tasks.add(task)
        task.asyncio_task.add_done_callback(lambda _: self._tasks.discard(task))
        return task.follow()
