"""The how-tos of docs/operations.md, as they stand there."""

import shlex

import pytest

from tests.acceptance.commands import Outcome, foldline
from tests.acceptance.readme import examples
from tests.acceptance.stack import Stack
from tests.line import Line

PAGE = "docs/operations.md"


@pytest.fixture(autouse=True)
async def session(line: Line) -> None:
    """The session the page speaks of; it may be there already."""
    await line.created("howto-1", product="P", version="1")


def followed(stack: Stack, section: str) -> dict[str, Outcome]:
    """Run all commands of a section; what each did, by its line."""
    blocks = [block for block in examples(PAGE, section) if block.language == "sh"]
    lines = [line for block in blocks for line in block.text.splitlines()]
    assert lines
    return {line: foldline(stack, *shlex.split(line)[1:]) for line in lines}


@pytest.mark.parametrize("section", ["See how it is", "Check a read model", "Stop folding for a while"])
def test_every_command_does_what_it_says(stack: Stack, section: str) -> None:
    for line, outcome in followed(stack, section).items():
        assert (outcome.code, line, outcome.err if outcome.code else "") == (0, line, "")


def test_a_pause_is_seen(stack: Stack) -> None:
    done = followed(stack, "Stop folding for a while")
    assert "paused" in done["foldline projections"].out
    assert "the disk is being moved" in done["foldline projections"].out
    assert "16 partitions go on" in done["foldline resume sessions"].out


def test_rebuild_after_a_bug(stack: Stack) -> None:
    done = followed(stack, "Rebuild after a bug")
    assert {line: outcome.err for line, outcome in done.items() if outcome.code} == {}
    assert "is live" in done["foldline rebuild sessions"].out
    assert "equal" in done["foldline verify sessions"].out
    assert "dropped" in done["foldline drop sessions old"].out
    assert "is live" in done["foldline put-back sessions"].out
    assert "folded anew" in done["foldline rebuild sessions --entity howto-1"].out
