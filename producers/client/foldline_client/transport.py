"""The contract of the transports (NATS, HTTP), and the order both keep: that of each session."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from foldline_client.items import Item


class Verdict(Enum):
    """The result of one try."""

    DELIVERED = "delivered"
    """Acknowledged: stored and synced, now or by an earlier try."""
    REJECTED = "rejected"
    """Refused for what the fact is; trying again would not help."""
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
    """Make the outcome of a fact that is refused."""
    return Outcome(Verdict.REJECTED, reason)


def retry(reason: str | BaseException, after: float = 0.0) -> Outcome:
    """Make the outcome of a fact without an acknowledgement; `after`: the server's pause."""
    text = reason if isinstance(reason, str) else str(reason) or type(reason).__name__
    return Outcome(Verdict.RETRY, text, after)


class Transport(Protocol):
    """Sends facts to a server. Used by one task only; connects when it first has something to send."""

    @property
    def address(self) -> str:
        """The address it sends to, for people: without credentials."""

    async def deliver(self, items: Sequence[Item]) -> list[Outcome]:
        """Send `items`, in order within each session; returns one outcome each. The network raises nothing.

        After a RETRY no more facts of the same session are sent.
        """

    async def close(self) -> None:
        """Close all connections."""


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
