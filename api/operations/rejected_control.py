"""What operators can do with rejected events, as routes see it; wired in where the process is."""

from typing import Any, Protocol


class Rejections(Protocol):
    """The verbs of `foldline rejected`. They raise NotRejected, InvalidFact, Problem."""

    async def show(self, stream: str, sequence: int) -> dict[str, Any]:
        """The event as it was published, and who rejected it."""

    async def retry(
        self, stream: str, sequence: int, *, subject: str | None, body: bytes | None, time: str | None
    ) -> dict[str, Any]:
        """Publish it as a new fact, corrected; `{"position", "duplicate", "retry_of"}`."""

    async def dismiss(self, stream: str, sequence: int, reason: str) -> None:
        """Hide it, with a reason."""

    async def restore(self, stream: str, sequence: int) -> None:
        """Show it again."""
