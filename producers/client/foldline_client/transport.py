"""What a way out (NATS, HTTP) promises, and the order both keep: a session's facts one after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from foldline_client.items import Item


class Verdict(Enum):
    """What became of one try."""

    DELIVERED = "delivered"
    """Acknowledged: stored and synced, now or by an earlier try."""
    REJECTED = "rejected"
    """Refused for what it is; trying again would not help."""
    RETRY = "retry"
    """Not acknowledged; it may or may not be stored, so the same key goes out again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict with its reason, and the seconds the server asked to wait before the next try."""

    verdict: Verdict
    reason: str = ""
    retry_after: float = 0.0


DELIVERED: Final = Outcome(Verdict.DELIVERED)


def rejected(reason: str) -> Outcome:
    """Refused, and why."""
    return Outcome(Verdict.REJECTED, reason)


def retry(reason: str | BaseException, after: float = 0.0) -> Outcome:
    """Not acknowledged, and why."""
    text = reason if isinstance(reason, str) else str(reason) or type(reason).__name__
    return Outcome(Verdict.RETRY, text, after)


class Transport(Protocol):
    """A way out. Used by one task only; connects when it first has something to send."""

    @property
    def address(self) -> str:
        """Where it sends, for people."""

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Send `items`, in order within each session; one outcome each. Never raises for the network.

        Of one session nothing after a RETRY is sent.
        """

    async def close(self) -> None:
        """Let go of connections."""


async def in_session_order(
    items: Sequence[Item], send: Callable[[Item], Awaitable[Outcome]], parallel: int
) -> list[Outcome]:
    """Send each item by itself: sessions side by side, a session's items one after the other."""
    outcomes: list[Outcome] = [retry("an earlier fact of this session is not acknowledged yet")] * len(items)
    queues: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        queues.setdefault(item.ref.id, []).append(index)
    gate = asyncio.Semaphore(parallel)

    async def drain(indices: list[int]) -> None:
        for index in indices:
            async with gate:
                outcomes[index] = await send(items[index])
            if outcomes[index].verdict is Verdict.RETRY:
                return

    async with asyncio.TaskGroup() as group:
        for indices in queues.values():
            group.create_task(drain(indices))
    return outcomes
