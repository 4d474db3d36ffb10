"""Reasons that operators give."""

import pytest

from runtime.database.engine.operator_reason import checked_reason
from runtime.problems import Problem


def test_a_reason_is_kept_without_space_around_it() -> None:
    assert checked_reason("a pause", " the disk is being moved\n") == "the disk is being moved"
    assert len(checked_reason("a pause", "x" * 500)) == 500


@pytest.mark.parametrize(
    ("reason", "wrong"),
    [("", "empty"), (" \n", "empty"), ("x" * 501, "501 characters"), ("a\x00b", "contains NUL")],
)
def test_the_message_says_what_is_wrong(reason: str, wrong: str) -> None:
    with pytest.raises(Problem, match=f"a pause needs a reason of 1 to 500 characters.*{wrong}"):
        checked_reason("a pause", reason)
