"""The examples of README.md as a reader would paste them."""

import re
from dataclasses import dataclass

from tests.processes import ROOT

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """One fenced block: its language and its text."""

    language: str
    text: str


def tour() -> list[Example]:
    """The blocks of "Five minutes", in their order."""
    text = (ROOT / "README.md").read_text()
    _, found, rest = text.partition("\n## Five minutes\n")
    assert found, "README.md has no section 'Five minutes'"
    return [Example(language, body) for language, body in _FENCE.findall(rest.partition("\n## ")[0])]
