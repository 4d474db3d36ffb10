"""Bodies packed and large, and headers: taken within bounds, refused beyond them."""

import gzip
from typing import Any

import pytest

from tests.acceptance.sessions_api import SessionsApi, names

MIB = 1 << 20


@pytest.mark.parametrize(
    "body", [b"", b"not gzip", gzip.compress(b"{}")[:-4]], ids=["empty", "other", "cut short"]
)
def test_bad_gzip(api: SessionsApi, session: str, body: bytes) -> None:
    headers = {"Content-Encoding": "gzip"}
    if not body:  # nothing is nothing, however it is packed
        assert api.request("POST", f"/api/sessions/{session}/heartbeat", headers=headers).status_code == 200
        return
    error = api.refused("POST", f"/api/sessions/{session}/state", 400, content=body, headers=headers)
    assert error == {"error": "Invalid request", "details": "Failed to decompress request"}


def test_gzip(api: SessionsApi, session: str) -> None:
    headers = {"Content-Encoding": "gzip"}
    path = f"/api/sessions/{session}/events"
    for body in (gzip.compress(b'{"name":"packed"}'), gzip.compress(b'{"name":') + gzip.compress(b'"two"}')):
        assert api.request("POST", path, content=body, headers=headers).status_code == 200
    assert names(api.session(session)["events"]) == ["packed", "two"]
    bomb = gzip.compress(b'{"name":"' + b"x" * 8 * MIB + b'"}')
    api.refused("POST", path, 413, content=bomb, headers=headers)
    api.refused("POST", path, 415, content=b"{}", headers={"Content-Encoding": "br"})


def test_the_largest_body(api: SessionsApi, session: str) -> None:
    frame = b'{"value":""}'
    for length, status in ((MIB, 200), (MIB + 1, 413)):
        body = frame.replace(b'""', b'"' + b"x" * (length - len(frame)) + b'"')
        assert len(body) == length
        assert api.request("POST", f"/api/sessions/{session}/state", content=body).status_code == status
        # Without a length the server has to count by itself.
        parts = iter([body[:1000], body[1000:]])
        assert api.request("POST", f"/api/sessions/{session}/state", content=parts).status_code == status
    assert len(api.session(session)["state"]["value"]) == MIB - len(frame)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Idempotency-Key", "x" * 256, 200),
        ("Idempotency-Key", "x" * 257, 400),
        ("Idempotency-Key", "x" * 60_000, 400),
        ("Idempotency-Key", "", 400),
        ("Idempotency-Key", "a\tb", 400),
        ("Idempotency-Key", b"caf\xe9", 400),
        ("Foldline-Time", "yesterday", 400),
        ("Foldline-Time", "2999-01-01T00:00:00Z", 400),
        ("Foldline-Time", "9" * 60_000, 400),
        ("Foldline-Time", b"\xff\xfe", 400),
        ("Foldline-Wait", "soon", 400),
        ("Foldline-Wait", "-1", 400),
        ("traceparent", "nonsense", 200),
        ("traceparent", "0" * 60_000, 200),
        ("X-Large", "x" * 60_000, 200),
        ("Content-Type", "text/plain", 200),
    ],
)
def test_headers(api: SessionsApi, session: str, name: str, value: str | bytes, status: int) -> None:
    path = f"/api/sessions/{session}/state"
    headers: Any = {name: value}
    if status == 200:
        assert api.request("POST", path, json={"a": 1}, headers=headers).status_code == 200
    else:
        assert api.refused("POST", path, status, json={"a": 1}, headers=headers)["error"] in (
            "Invalid request",
            "Invalid header",
        )
