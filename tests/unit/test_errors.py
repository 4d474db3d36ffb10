"""Errors of the HTTP surfaces, in their envelopes."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Query

from runtime.http.errors import JOBS, SESSIONS, Envelope, install_error_handlers


def client_of(envelope: Envelope) -> httpx.AsyncClient:
    app = FastAPI()
    install_error_handlers(app, envelope)

    @app.get("/things/{number}")
    async def things(number: int, limit: Annotated[int, Query(le=100)]) -> int:
        return number * limit

    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


@pytest.mark.parametrize(
    ("path", "error", "details"),
    [
        ("/things/7", "Missing required field", "limit is required"),
        (
            "/things/7?limit=5000",
            "Invalid request",
            "limit: Input should be less than or equal to 100, not '5000'",
        ),
        (
            f"/things/{'x' * 99}?limit=5",
            "Invalid request",
            "number: Input should be a valid integer, unable to parse string as an integer, not "
            f"{'x' * 50!r}",
        ),
    ],
)
async def test_wrong_parameters_are_named_with_their_value(path: str, error: str, details: str) -> None:
    async with client_of(SESSIONS) as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (400, {"error": error, "details": details})


@pytest.mark.parametrize(
    ("envelope", "body"),
    [
        (SESSIONS, {"error": "Not found", "details": "There is nothing at /x"}),
        (JOBS, {"detail": "There is nothing at /x"}),
    ],
    ids=["sessions", "jobs"],
)
async def test_each_surface_has_its_envelope(envelope: Envelope, body: dict[str, Any]) -> None:
    async with client_of(envelope) as client:
        missing, invalid, wrong = [
            await client.get("/x"),
            await client.get("/things/x"),
            await client.put("/things/7"),
        ]
    assert (missing.status_code, missing.json()) == (404, body)
    assert invalid.status_code == envelope.invalid
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
