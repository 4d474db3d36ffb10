"""The documents: what they name is there, and their lines can be read in any editor."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(page.relative_to(ROOT))
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "producers" / "client" / "README.md")
)
TESTS = sorted([*ROOT.glob("tests/**/*.py"), *ROOT.glob("producers/client/tests/*.py")])
FILES = {path.name for kind in ("py", "sql") for path in ROOT.glob(f"[!.]*/**/*.{kind}")} | {"plain.py"}
"""Names of files in any folder; `plain.py` is the one that the README has its reader write."""
WIDTH = 120

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.{},-]+(/[\w.{},*-]+)+/?")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_BRACES = re.compile(r"\{([^}]*)\}")


def prose(page: str) -> str:
    """The text of a page without its fenced blocks."""
    return _FENCE.sub("", (ROOT / page).read_text())


def named(text: str) -> Iterator[str]:
    """Every path of this repository that a text names; `{a,b}` names two."""
    rooms = {entry.name for entry in ROOT.iterdir()}
    for code in _CODE.findall(text):
        for word in code.split():
            if _PATH.fullmatch(word) and word.split("/")[0] in rooms:
                choices = _BRACES.findall(word)
                pattern = _BRACES.sub("{}", word)
                for chosen in itertools.product(*(choice.split(",") for choice in choices)):
                    yield pattern.format(*chosen)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_paths_that_are_named_exist(page: str) -> None:
    assert [path for path in named(prose(page)) if not list(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_that_are_named_exist(page: str) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z][\w-]*)", "\n".join(_CODE.findall(prose(page))))) <= targets


@pytest.mark.parametrize("page", PAGES)
def test_files_and_tests_that_are_named_exist(page: str) -> None:
    """A page may name a file without its folder, and a test by its function."""
    words = "\n".join(_CODE.findall(prose(page)))
    assert [file for file in re.findall(r"(?<![\w/])\w+\.(?:py|sql)\b", words) if file not in FILES] == []
    functions = set(re.findall(r"def (test_\w+)", "".join(test.read_text() for test in TESTS)))
    modules = {test.stem for test in TESTS}
    assert set(re.findall(r"\btest_\w+\b", words)) <= functions | modules


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for link in _LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES)
def test_no_line_of_prose_is_too_long(page: str) -> None:
    lines = [line for line in prose(page).splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > WIDTH] == []


def test_decisions_are_numbered_dated_and_complete() -> None:
    text = (ROOT / "docs" / "decisions.md").read_text()
    entries = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    numbers = [int(entry.split(".")[0]) for entry in entries]
    assert sorted(numbers) == list(range(1, len(entries) + 1))
    form = re.compile(
        r"\d+\. .+\n\d{4}-\d\d-\d\d, (accepted|superseded by (\d+))\.\n"
        r"- Context: [\s\S]+?\n- Decision: [\s\S]+?\n- Consequence: [\s\S]+?\n"
    )
    for entry in entries:
        found = form.match(entry)
        assert found, entry
        assert found[2] is None or int(found[2]) in numbers
