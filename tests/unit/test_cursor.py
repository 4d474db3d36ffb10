"""Cursors: what goes in comes out, and nothing else does."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.reading import cursor

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@given(TEXT, st.integers(0, (1 << 62) - 1), TEXT)
def test_round_trip(first: str, second: int, third: str) -> None:
    text = cursor.encode("list", first, second, third)
    assert text.isascii()
    assert cursor.decode(text, "list", str, int, str) == (first, second, third)


@given(st.one_of(st.text(), st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode())))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(cursor.InvalidCursor):
        cursor.decode(text, "list", str)


@pytest.mark.parametrize(
    "text",
    [
        cursor.encode("other", 1),
        cursor.encode("list"),
        cursor.encode("list", 1, 2),
        cursor.encode("list", "1"),
        cursor.encode("list", True),
        cursor.encode("list", -1),
        cursor.encode("list", 1 << 62),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b'["list",' + b"9" * 10_000 + b"]").decode(),
        base64.urlsafe_b64encode(b"\xff").decode(),
        "",
    ],
)
def test_wrong_ones(text: str) -> None:
    with pytest.raises(cursor.InvalidCursor):
        cursor.decode(text, "list", int)


@pytest.mark.parametrize("text", ["\x00", "\ud800"])
def test_text_that_cannot_be_stored(text: str) -> None:
    with pytest.raises(cursor.InvalidCursor):
        cursor.decode(cursor.encode("list", text), "list", str)
