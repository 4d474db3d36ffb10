"""Control of rejected events as routes see it; what stands behind it is wired where the process is."""

from typing import Any, Protocol


class RejectedControl(Protocol):
    """The operations on rejected events. Methods raise NotRejected, InvalidFact and Problem."""

    async def show(self, stream: str, sequence: int) -> dict[str, Any]:
        """The event as it was published, and the projections that rejected it."""

    async def retry(
        self, stream: str, sequence: int, *, subject: str | None, body: bytes | None, time: str | None
    ) -> dict[str, Any]:
        """Publish the event as a new fact, corrected; answers `{"position", "duplicate", "retry_of"}`."""

    async def dismiss(self, stream: str, sequence: int, reason: str) -> None:
        """Hide the event, with a reason."""

    async def restore(self, stream: str, sequence: int) -> None:
        """Show a dismissed event again."""
