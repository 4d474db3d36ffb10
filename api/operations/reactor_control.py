"""Control of reactors as routes see it; the process that serves them says what stands behind it."""

from typing import Protocol

from schemas.reactors import ReactorStatus


class ReactorControl(Protocol):
    """The operations on reactors. Methods raise psycopg.Error, Problem and StreamUnavailable."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all reactors."""

    async def statuses(self, *, lags: bool = True) -> list[ReactorStatus]:
        """The status of each reactor; without `lags` following ones have no `pending`, which is quicker."""

    async def pause(self, name: str, reason: str) -> bool:
        """Pause a reactor; answers whether it was not paused for this reason before."""

    async def resume(self, name: str) -> bool:
        """Let a reactor go on; answers whether it was paused."""
