"""What operators can do to projections, as routes see it; the engine is wired in where the process is."""

from collections.abc import AsyncIterator
from typing import Any, Literal, NamedTuple, Protocol

from projections.projection import Key


class Told(NamedTuple):
    """One reading of long work, or its end: `done` with the result, `failed` with `{"details"}`.

    `conflict`: it failed for what is, and trying again alone does not help.
    """

    kind: Literal["progress", "done", "failed"]
    data: dict[str, Any]
    conflict: bool = False


class Work(Protocol):
    """Long work that goes on whoever watches."""

    def follow(self) -> AsyncIterator[Told]:
        """The newest reading, each that follows, and the end."""


class Operations(Protocol):
    """The verbs of the command line. They raise psycopg.Error, Problem; StreamUnavailable may pass."""

    @property
    def names(self) -> tuple[str, ...]:
        """The projections there are."""

    async def overview(self) -> list[dict[str, Any]]:
        """Generations, versions, lag and pauses of each."""

    async def pause(self, name: str, reason: str) -> int:
        """Stop folding; how many partitions were not paused for this reason before."""

    async def resume(self, name: str) -> int:
        """Fold again; how many partitions were paused."""

    def rebuild(self, name: str, *, anew: bool, put_back: bool, workers: int | None) -> Work:
        """Begin, or go on with, a rebuild."""

    async def building(self, name: str) -> dict[str, Any] | None:
        """The rebuild under way, wherever it runs; None when nothing is being built."""

    async def live_number(self, name: str) -> int:
        """The number of the live generation."""

    async def cancel(self, name: str) -> bool:
        """Ask a rebuild to stop; whether there was one."""

    def verify(self, name: str, *, limit: int, workers: int | None) -> Work:
        """Begin a verification; its result is `{"equal", "total", "differences", …}`."""

    async def drop(self, name: str, generation: str) -> bool:
        """Drop the old or the half-built generation; whether there was one."""

    async def rebuild_entity(self, name: str, key: Key) -> int:
        """Fold one entity anew, in place; how many events took effect."""

    async def parked(self, name: str) -> list[dict[str, Any]]:
        """Entities whose fold raised."""

    async def retry(self, name: str, key: Key) -> int:
        """Fold what waits for a parked entity; how many events took effect."""

    async def skip(self, name: str, key: Key, reason: str) -> int:
        """Pass over the event an entity is stuck at, then the same."""
