"""Recipes of CONTRIBUTING.md, followed to the letter: their code blocks are applied to a copy of the program.

A recipe is a section under "Recipes". A fenced block of it is for one file, which its first line names:

- `# path/to/file.py`, or `-- path/to/file.sql`: what follows is a new file;
- `--- path/to/file.py` in a `diff` block: in that file, the lines of each hunk that begin with a blank or `-`
  are looked for, and those that begin with a blank or `+` take their place. `@@` stands between hunks,
  which need no numbers.

Blocks in `sh` are for people.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "CONTRIBUTING.md"
_PARTS: Final = re.compile(
    r"^```(?P<language>\w+)\n(?P<text>.*?)^```$|^(?P<heading>#{1,3} )", re.MULTILINE | re.DOTALL
)
_PATH: Final = re.compile(r"^(?:#|--|---) ([\w./-]+\.\w+)$")
_FOR_PEOPLE: Final = frozenset({"sh"})
_NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build", "node_modules")


@dataclass(frozen=True)
class Block:
    """One code block: the file it is for, and the new text of that file or the hunks of its change."""

    path: str
    text: str
    is_diff: bool


def recipe(title: str) -> list[Block]:
    """Return the blocks of the section with that title, in their order."""
    _, found, section = PAGE.read_text().partition(f"\n### {title}\n")
    assert found, f"no section {title!r} in {PAGE.name}"
    blocks = []
    for part in _PARTS.finditer(section):
        if part["heading"]:
            break
        if part["language"] not in _FOR_PEOPLE:
            blocks.append(_block(part["language"], part["text"]))
    return blocks


def touched(blocks: list[Block]) -> set[str]:
    """Return the files that a recipe touches besides tests and documents."""
    return {block.path for block in blocks if not re.match(r"tests/|docs/|\w+\.md$", block.path)}


class ProgramCopy:
    """A copy of the program and its tests in a folder of its own, to change and to run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for entry in ROOT.iterdir():
            is_ours = entry.name == "docs" or any(entry.glob("*.py"))
            if entry.is_dir() and is_ours and not entry.name.startswith("."):
                shutil.copytree(entry, folder / entry.name, ignore=_NOT_COPIED)
            elif entry.suffix in (".toml", ".md", ".yaml"):
                shutil.copy(entry, folder)

    def follow(self, title: str) -> set[str]:
        """Apply a recipe, and return the files that it touches besides tests and documents."""
        blocks = recipe(title)
        assert blocks, f"the recipe {title!r} has no code"
        for block in blocks:
            self.apply(block)
        code = sorted({block.path for block in blocks if block.path.endswith(".py")})
        self.run("-m", "ruff", "check", "--no-cache", *code)
        self.run("-m", "ruff", "format", "--no-cache", "--check", *code)
        return touched(blocks)

    def apply(self, block: Block) -> None:
        """Make or change the file that a block is for."""
        file = self.folder / block.path
        if not block.is_diff:
            assert not file.exists(), f"{block.path} is there already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
            return
        text = file.read_text()
        for before, after in _hunks(block.text):
            assert text.count(before) == 1, f"{text.count(before)} times in {block.path}:\n{before}"
            text = text.replace(before, after)
        file.write_text(text)

    def run(self, *arguments: str, timeout: float = 150) -> str:
        """Run Python in the copy, and return what it printed. Fails the test if it fails."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        paths = os.pathsep.join([str(self.folder), str(self.folder / "producers" / "client")])
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**outer, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def test(self, *arguments: str) -> str:
        """Run tests in the copy; at least one has to pass."""
        return self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


@pytest.fixture
def program(tmp_path: Path) -> ProgramCopy:
    """A copy of the program to follow a recipe in."""
    return ProgramCopy(tmp_path)


def _block(language: str, text: str) -> Block:
    first, _, rest = text.partition("\n")
    named = _PATH.match(first)
    assert named, f"the first line of a block in {PAGE.name} names no file: {first!r}"
    return Block(named[1], rest, language == "diff")


def _hunks(diff: str) -> Iterator[tuple[str, str]]:
    """Yield the text before and after each hunk."""
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        odd = [line for line in lines if line[0] not in " -+\n"]
        assert not odd, f"lines of a diff begin with a blank, - or +: {odd}"
        before, after = (
            "".join(line[1:] or line for line in lines if line[0] != other) for other in ("+", "-")
        )
        if before or after:
            yield before, after
