"""Control of projections as routes see it; the engine stands behind it where the process is wired."""

from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple, Protocol

from projections.projection import Key


class TaskUpdate(NamedTuple):
    """Progress of a background task, or its end: `done` with the result, `failed` with `{"details"}`.

    `conflict`: it failed because of the present state, and trying again alone does not help.
    """

    kind: Literal["progress", "done", "failed"]
    data: dict[str, Any]
    conflict: bool = False


class ProjectionControl(Protocol):
    """The operations on projections. Methods raise psycopg.Error, Problem and StreamUnavailable.

    `rebuild` and `verify` begin a background task and answer its updates: the newest, each that follows, and
    the end. The task goes on when nobody takes them.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all projections."""

    async def overview(self) -> list[dict[str, Any]]:
        """Generations, versions, lag and pauses of each projection."""

    async def pause(self, name: str, reason: str) -> int:
        """Stop folding; answers how many partitions were not paused for this reason before."""

    async def resume(self, name: str) -> int:
        """Fold again; answers how many partitions were paused."""

    def rebuild(
        self, name: str, *, anew: bool, put_back: bool, accept_loss: bool, workers: int | None
    ) -> AsyncIterator[TaskUpdate]:
        """Begin a rebuild, or go on with one."""

    async def building(self, name: str) -> dict[str, Any] | None:
        """The rebuild under way, wherever it runs; None when nothing is being built."""

    async def live_number(self, name: str) -> int:
        """The number of the live generation."""

    async def cancel(self, name: str) -> bool:
        """Ask a rebuild to stop; answers whether there was one."""

    def verify(self, name: str, *, limit: int, workers: int | None) -> AsyncIterator[TaskUpdate]:
        """Begin a verification; its result is `{"equal", "total", "differences", …}`."""

    async def drop(self, name: str, generation: str) -> bool:
        """Drop the old or the half-built generation; answers whether there was one."""

    async def rebuild_entity(self, name: str, key: Key, *, accept_loss: bool) -> int:
        """Fold one entity anew, in place; answers how many events took effect."""

    async def parked(self, name: str) -> list[dict[str, Any]]:
        """The entities whose fold raised."""

    async def retry(self, name: str, key: Key) -> int:
        """Fold what waits for a parked entity; answers how many events took effect."""

    async def skip(self, name: str, key: Key, reason: str) -> int:
        """Pass over the event an entity is stuck at, then retry; answers how many events took effect."""
