"""Tables: a spreadsheet runs nothing, and every text comes back."""

import csv
import io
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.reading.formats import list_response

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def cells(*values: Any) -> list[str]:
    """What a reader of the table finds in its only row."""
    item = {str(place): value for place, value in enumerate(values)}
    answer = list_response("text/csv", item, [item], None, {})
    text = bytes(answer.body).decode()
    return list(csv.reader(io.StringIO(text, newline="")))[1]


@given(TEXTS)
@example("=1+1")
@example("'=1+1")
@example("''")
@example("\n=cmd()")
@example("\uff1dcmd()")
def test_a_guarded_text_comes_back(text: str) -> None:
    (cell,) = cells(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert cell.removeprefix("'") == text


@pytest.mark.parametrize("text", ["a", "a=b", " =1", "1", '{"a": 1}', ""])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert cells(text) == [text]


def test_values_that_are_no_text_are_not_guarded() -> None:
    assert cells(-1.5, -3, None, True, {"a": "=1"}, ["-"]) == [
        "-1.5",
        "-3",
        "",
        "true",
        '{"a":"=1"}',
        '["-"]',
    ]
