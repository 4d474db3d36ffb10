"""Refusals of the session write routes: each says what was wrong, and none is a 500."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas.facts import TIME
from tests.support.write_surface import APP, begin, problem


@pytest.mark.parametrize("session", ["nope", "a b", "a.b", "*", ">", "ä", "x" * 129, "%00"])
async def test_unknown_and_impossible_ids(writes: httpx.AsyncClient, session: str) -> None:
    answer = await writes.post(f"/sessions/{session}/events", json={"name": "n"})
    shown = session.replace("%00", "\x00")
    assert problem(answer) == (404, "Session not found", f"No session with ID {shown}")


INVALID = [
    ("", {"content": b""}, 400, "Missing required field", "product is required"),
    ("", {"json": {"version": "1"}}, 400, "Missing required field", "product is required"),
    ("", {"json": {"product": "", "version": "1"}}, 400, "Missing required field", "product is required"),
    ("", {"json": {"product": 1, "version": "1"}}, 400, "Invalid request", "product: "),
    ("", {"json": []}, 400, "Invalid request", ""),
    ("", {"json": APP | {"session_id": "a.b"}}, 400, "Invalid request", "session_id: "),
    ("", {"json": APP | {"session_id": 7}}, 400, "Invalid request", "session_id: "),
    ("", {"json": APP, "headers": {"Idempotency-Key": "a b"}}, 400, "Invalid request", "Idempotency-Key: "),
    ("", {"json": APP, "headers": {"Idempotency-Key": "k" * 257}}, 400, "Invalid request", "Idempotency"),
    ("", {"json": APP, "headers": {TIME: "yesterday"}}, 400, "Invalid request", "Foldline-Time: "),
    ("", {"json": APP, "headers": {TIME: "2026-01-31T12:30:00Z"}}, 400, "Invalid request", "2026-"),
    ("", {"json": APP, "headers": {"Foldline-Wait": "soon"}}, 400, "Invalid request", "Foldline-Wait: "),
    ("", {"json": APP, "headers": {"Foldline-Wait": "-1"}}, 400, "Invalid request", "Foldline-Wait: "),
    ("events", {"content": b"{"}, 400, "Invalid request", "Failed to parse JSON"),
    ("events", {"content": b'{"name":"\xff"}'}, 400, "Invalid request", "Failed to parse JSON"),
    ("events", {"content": b'{"name":"\\ud800"}'}, 400, "Invalid request", ""),
    ("events", {"content": b'{"name":"n","data":{"x":"\\u0000"}}'}, 400, "Invalid request", ""),
    (
        "events",
        {"content": b'{"name":"n","data":' + b"[" * 200 + b"]" * 200 + b"}"},
        400,
        "Invalid request",
        "",
    ),
    ("events", {"json": {"name": "n", "level": "loud"}}, 400, "Invalid request", "level: "),
    ("metrics", {"content": b'{"name":"n","value":1e999}'}, 400, "Invalid request", ""),
    ("metrics", {"content": b'{"name":"n","value":"1"}'}, 400, "Invalid request", "value: "),
    ("state", {"json": [1]}, 400, "Invalid request", "a state is a JSON object"),
    ("end", {"content": b"nonsense"}, 400, "Invalid request", "Failed to parse JSON"),
    ("state", {"content": b"x" * 5000}, 413, "Request body too large", "the body has more than"),
    (
        "state",
        {"content": b"x", "headers": {"Content-Encoding": "gzip"}},
        400,
        "Invalid request",
        "Failed to decompress",
    ),
    (
        "state",
        {"content": gzip.compress(b"{}")[:-3], "headers": {"Content-Encoding": "gzip"}},
        400,
        "Invalid request",
        "Failed to decompress",
    ),
    (
        "state",
        {"content": gzip.compress(b"0" * 9_000_000)[:4000], "headers": {"Content-Encoding": "gzip"}},
        413,
        "Request body too large",
        "",
    ),
    (
        "state",
        {"content": b"{}", "headers": {"Content-Encoding": "br"}},
        415,
        "Unsupported content encoding",
        "",
    ),
]


@pytest.mark.parametrize(("path", "request_", "status", "error", "details"), INVALID)
async def test_invalid_requests(
    writes: httpx.AsyncClient, *, path: str, request_: dict[str, Any], status: int, error: str, details: str
) -> None:
    url = f"/sessions/{await begin(writes)}/{path}" if path else "/sessions"
    answer = await writes.post(url, **request_)
    assert problem(answer)[:2] == (status, error)
    assert problem(answer)[2].startswith(details)


async def test_chunked_body_is_bounded_while_it_is_read(writes: httpx.AsyncClient) -> None:
    session = await begin(writes)
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 1000

    answer = await writes.post(f"/sessions/{session}/state", content=endless())
    assert answer.status_code == 413
    assert sent < 10


async def test_many_empty_gzip_members_cost_nothing(writes: httpx.AsyncClient) -> None:
    session = await begin(writes)
    packed = gzip.compress(b"") * 200
    headers = {"Content-Encoding": "gzip"}
    answer = await writes.post(f"/sessions/{session}/state", content=packed, headers=headers)
    assert problem(answer)[:2] == (400, "Invalid request")


async def test_unknown_paths_and_methods(writes: httpx.AsyncClient) -> None:
    session = await begin(writes)
    assert problem(await writes.post(f"/sessions/{session}/dance"))[:2] == (404, "Not found")
    answer = await writes.put(f"/sessions/{session}/state", json={})
    assert problem(answer) == (405, "Method not allowed", "POST required")
