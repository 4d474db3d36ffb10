"""Answers as bytes: the read models serve JSON, nothing is encoded twice."""

from collections.abc import Mapping

from fastapi import Response

from runtime.http.waits import POSITION


def json_response(
    body: bytes, position: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON that is ready, with the position it reflects."""
    return Response(body, media_type="application/json", headers=with_position(position, headers))


def with_position(position: str | None, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Response headers; a read model that has folded nothing has no position to tell."""
    return {**(headers or {}), **({POSITION: position} if position else {})}
