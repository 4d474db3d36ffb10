"""The examples of the documentation as a reader would paste them."""

import re
import textwrap
from dataclasses import dataclass

from tests.support.processes import ROOT

_FENCE = re.compile(r"^( *)```([\w ]+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One fenced block: its language and its text."""

    language: str
    text: str


def tour() -> list[Example]:
    """Return the blocks of "Five minutes", in their order."""
    return examples("README.md", "Five minutes")


def examples(page: str, section: str) -> list[Example]:
    """Return the blocks of a section in their order, those of list items without indentation."""
    text = (ROOT / page).read_text()
    _, found, rest = text.partition(f"\n## {section}\n")
    assert found, f"{page} has no section {section!r}"
    return [
        Example(language, textwrap.dedent(body))
        for _, language, body in _FENCE.findall(rest.partition("\n## ")[0])
    ]
