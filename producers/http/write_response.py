"""Responses to writes: with the position of what was written, once the read model shows it."""

from collections.abc import Sequence
from typing import Final, Protocol

from fastapi import Response

from runtime.http.waits import POSITION, POSITION_HEADER, PROJECTED, PROJECTED_HEADER
from schemas.positions import Position, format_positions

WRITTEN_HEADERS: Final = (POSITION_HEADER, PROJECTED_HEADER)
"""The headers of a success, as OpenAPI describes them."""


class ProgressWaiter(Protocol):
    """Waits until a read model has passed positions; `line.progress.Progress` does."""

    async def wait(self, projection: str, positions: Sequence[Position], timeout: float) -> bool:
        """Whether the projection passed all positions within `timeout` seconds."""


async def write_response(
    progress: ProgressWaiter,
    projection: str,
    body: bytes,
    *,
    positions: Sequence[Position],
    wait: float,
    status: int = 200,
) -> Response:
    """Answer a success once the projection has passed `positions`, at the latest after `wait` seconds."""
    headers = {POSITION: format_positions(positions)} if positions else {}
    if wait > 0 and positions and not await progress.wait(projection, positions, wait):
        headers[PROJECTED] = "false"
    return Response(body, status, headers, "application/json")
