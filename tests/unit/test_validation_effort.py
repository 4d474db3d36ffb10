"""What validation costs: one pass over a body, however it was made to be hard."""

import time

import pytest

from schemas.facts import parse_fact
from schemas.validation import MAX_DEPTH, MAX_FACT_BYTES, InvalidFact

DEEP = b"{" * (MAX_DEPTH + 1)
SECONDS = 3.0  # of this process's own time: a quadratic scan of a mebibyte takes minutes


def filled(unit: bytes, start: bytes = b"", end: bytes = b"") -> bytes:
    """The largest body of this form that a fact may have."""
    return start + unit * ((MAX_FACT_BYTES - len(start) - len(end)) // len(unit)) + end


@pytest.mark.parametrize(
    "body",
    [
        DEEP + b'"' + b'\\"' * 500_000,
        filled(b'\\"', DEEP + b'"'),
        filled(b"\\", DEEP + b'"'),
        filled(b'"', DEEP),
        filled(b'"a', DEEP),
        filled(b'"\n\\', DEEP),
        filled(b"\\u0000", DEEP + b'"'),
        filled(b"{"),
        filled(b"{}"),
        filled(b"1" * 199 + b",", b'{"a":[', b"1]}}"),
        filled(b"9" * 4299 + b",", b'{"a":[', b"1]}}"),
        filled(b"1e-308,", b'{"a":[', b"1e-999]}"),
        filled(b"1e12,", b'{"a":[', b"1]}}"),
    ],
    ids=[
        "escaped-quotes",
        "escaped-quotes-to-the-limit",
        "backslashes",
        "quotes",
        "short-strings",
        "lines",
        "escaped-nuls",
        "open",
        "open-and-closed",
        "long-numbers",
        "longer-numbers",
        "small-numbers",
        "exponents",
    ],
)
def test_a_hard_body_is_refused_quickly(body: bytes) -> None:
    assert len(body) > 0.95 * MAX_FACT_BYTES
    started = time.process_time()
    with pytest.raises(InvalidFact):
        parse_fact("session", "state", body)
    assert time.process_time() - started < SECONDS
