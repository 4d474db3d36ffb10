"""Responses to writes: with the position of what was written, once the read model shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from fastapi import Response

from runtime.http.waits import POSITION, POSITION_HEADER, PROJECTED, PROJECTED_HEADER
from schemas.positions import Position, format_positions
from schemas.validation import InvalidFact

WRITTEN_HEADERS: Final = (POSITION_HEADER, PROJECTED_HEADER)
"""The headers of a success, as OpenAPI describes them."""


class ProgressWaiter(Protocol):
    """Waits until a read model has passed positions; `line.progress.Progress` does."""

    async def wait(self, projection: str, positions: Sequence[Position], timeout: float) -> bool:
        """Whether the projection passed all positions within `timeout` seconds."""

    async def rejections(
        self, projection: str, positions: Sequence[Position]
    ) -> Mapping[Position, InvalidFact]:
        """Why the projection rejected facts at positions that it passed, as far as is known."""


@dataclass(frozen=True, slots=True)
class Projected:
    """What a read model made of written facts within the wait: the response headers, and what it rejected."""

    headers: dict[str, str]
    rejections: Mapping[Position, InvalidFact]


async def projected(
    progress: ProgressWaiter, projection: str, positions: Sequence[Position], wait: float
) -> Projected:
    """Wait until the projection has passed `positions`, at most `wait` seconds."""
    headers = {POSITION: format_positions(positions)} if positions else {}
    if wait <= 0 or not positions:
        return Projected(headers, {})
    if not await progress.wait(projection, positions, wait):
        return Projected(headers | {PROJECTED: "false"}, {})
    return Projected(headers, await progress.rejections(projection, positions))


async def write_response(
    progress: ProgressWaiter,
    projection: str,
    body: bytes,
    *,
    positions: Sequence[Position],
    wait: float,
    status: int = 200,
) -> Response:
    """Answer a success once the projection has passed `positions`, at the latest after `wait` seconds.

    Raises InvalidFact when it has rejected what was written.
    """
    outcome = await projected(progress, projection, positions, wait)
    for rejection in outcome.rejections.values():
        raise rejection
    return Response(body, status, outcome.headers, "application/json")
