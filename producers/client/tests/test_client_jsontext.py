"""Whatever an application hands over becomes JSON that the line accepts."""

import json
import math
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from foldline_client.jsontext import MAX_INDEXED, clean, encode, indexed

any_text = st.text(alphabet=st.characters(exclude_categories=()))
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary(max_size=9) | st.dates()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(any_text | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


def acceptable(value: Any, depth: int = 1) -> bool:
    """The line's own rules: finite, no NUL, no lone surrogate, at most 64 levels."""
    match value:
        case float():
            return math.isfinite(value)
        case str():
            return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
        case dict():
            return depth <= 64 and all(acceptable(k) and acceptable(v, depth + 1) for k, v in value.items())
        case list():
            return depth <= 64 and all(acceptable(item, depth + 1) for item in value)
        case _:
            return True


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(any_text, values))
def test_everything_becomes_acceptable(value: dict[str, Any]) -> None:
    assert acceptable(json.loads(encode(value).decode()))


plain_text = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\x00"))
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain_text,
    lambda inner: st.lists(inner) | st.dictionaries(plain_text, inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(plain_text, plain_values))
def test_plain_json_is_not_changed(value: dict[str, Any]) -> None:
    assert json.loads(encode(value)) == value == clean(value)


def test_what_json_lacks_is_converted() -> None:
    class Color(Enum):
        RED = "red"

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    encoded = json.loads(
        encode(
            {
                "nan": math.nan,
                "inf": [-math.inf],
                "when": datetime(2026, 1, 2, tzinfo=UTC),
                "set": {1},
                "enum": Color.RED,
                "path": Path("a"),
                "decimal": Decimal("0.1"),
                "bytes": b"\xff",
                "broken": Broken(),
                "text": "a\x00b\ud800",
                "huge": 10**5000,
                (1, 2): "key",
            }
        )
    )
    assert encoded["huge"].startswith("0x")
    del encoded["huge"]
    assert encoded == {
        "nan": "NaN",
        "inf": ["-Infinity"],
        "when": "2026-01-02T00:00:00+00:00",
        "set": [1],
        "enum": "red",
        "path": "a",
        "decimal": "0.1",
        "bytes": "\ufffd",
        "broken": "<Broken>",
        "text": "a\ufffdb\ufffd",
        "(1, 2)": "key",
    }


def test_circular_and_deep_values_end_somewhere() -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    body = encode({"circle": circle, "deep": deep})
    assert acceptable(json.loads(body))
    assert b"nested too deep" in body


def test_wide_values_stay_whole() -> None:
    wide = {"rows": [{"n": n} for n in range(500)]}
    assert json.loads(encode(wide)) == wide


@settings(max_examples=60, deadline=None)
@given(any_text)
def test_indexed_text_fits_the_index(text: str) -> None:
    assert len(clean(indexed(text * 20)).encode()) <= MAX_INDEXED


def test_what_leads_back_to_itself_is_cut() -> None:
    """Two references a node: followed to the end they would be 2^60 nodes."""
    one: dict[str, Any] = {"name": "one"}
    two: dict[str, Any] = {"name": "two", "next": one, "previous": one}
    one |= {"next": two, "previous": two}
    found = json.loads(encode({"data": one}))
    assert found["data"]["next"]["next"] == "<circular>"
    assert found["data"]["previous"]["name"] == "two"
