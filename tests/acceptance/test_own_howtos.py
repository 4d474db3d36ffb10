"""The how-tos of docs/operations.md, as they stand there."""

import shlex
from pathlib import Path

import pytest

from tests.acceptance.commands import Outcome, foldline
from tests.acceptance.readme import examples
from tests.acceptance.stack import Stack
from tests.support.line import Line
from tests.support.waiting import wait_until

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


@pytest.mark.parametrize(
    "section", ["See how it is", "Check a read model", "Stop folding for a while", "Reactors"]
)
def test_every_command_does_what_it_says(stack: Stack, section: str) -> None:
    for line, outcome in followed(stack, section).items():
        assert (outcome.code, line, outcome.err if outcome.code else "") == (0, line, "")


def test_a_pause_is_seen(stack: Stack) -> None:
    done = followed(stack, "Stop folding for a while")
    assert "paused" in done["foldline projections"].out
    assert "the disk is being moved" in done["foldline projections"].out
    assert "16 partitions go on" in done["foldline resume sessions"].out


def test_the_pause_of_a_reactor_is_seen(stack: Stack) -> None:
    first, pause, _, resume = examples(PAGE, "Reactors")[0].text.splitlines()
    foldline(stack, *shlex.split(pause)[1:])
    shown = foldline(stack, *first.split()[1:]).out
    assert all(
        word in shown for word in ("liveness", "expiry", "sweep", "paused", "the disk is being copied")
    )
    assert foldline(stack, *resume.split()[1:]).out == "expiry goes on\n"
    assert foldline(stack, *resume.split()[1:]).out == "expiry was not paused\n"


def test_rebuild_after_a_bug(stack: Stack) -> None:
    done = followed(stack, "Rebuild after a bug")
    assert {line: outcome.err for line, outcome in done.items() if outcome.code} == {}
    assert "is live" in done["foldline rebuild sessions"].out
    assert "equal" in done["foldline verify sessions"].out
    assert "dropped" in done["foldline drop sessions old"].out
    assert "is live" in done["foldline put-back sessions"].out
    assert "folded anew" in done["foldline rebuild sessions --entity howto-1"].out


async def test_rejected_events_are_retried_and_dismissed(
    stack: Stack, line: Line, unique: str, tmp_path: Path
) -> None:
    corrected = tmp_path / "corrected.json"
    corrected.write_text('{"name":"right"}')
    retried, dismissed = examples(PAGE, "Retry rejected events")
    for block, words in (
        (retried, ("invalid_field", "SESSIONS/", "no rejected events")),
        (dismissed, ("is dismissed", "a load test of ours", "is listed again")),
    ):
        assert block.language == "sh rejected"
        bad = await line.put("event", unique, {"name": 1})
        later = foldline(stack, "publish", f"ev.local.session.{unique}.event", '{"name":"e"}')
        await wait_until(lambda bad=bad: f"SESSIONS:{bad} " in foldline(stack, "rejected").out)
        text = block.text.replace("1234", str(bad)).replace("corrected.json", str(corrected))
        for command, word in zip(text.splitlines(), words, strict=True):
            outcome = foldline(stack, *shlex.split(command)[1:])
            assert outcome.code == 0, outcome.err
            if word != "no rejected events":
                assert word in outcome.out, (command, outcome.out)
            else:
                assert f"SESSIONS:{bad} " not in outcome.out
        assert later.code == 0
