"""A recipe that has aged, or is written wrongly, fails and says why."""

from pathlib import Path

import pytest

from tests.support import recipes
from tests.support.recipes import Block, ProgramCopy, recipe, touched

SECTION = """
## Recipes

### Add a thing

```python
# things/new.py
x = 1
# no heading
```

```diff
--- things/old.py
@@
 a
-b
+c

 d
@@
+first
 e
```

```diff
--- tests/test_old.py
 a
+b
```

```sh
make things
```

### Add another

```python
# things/other.py
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    page = tmp_path / "CONTRIBUTING.md"
    page.write_text(SECTION)
    monkeypatch.setattr(recipes, "PAGE", page)
    return page


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProgramCopy:
    monkeypatch.setattr(recipes, "ROOT", tmp_path / "nothing")
    (tmp_path / "nothing").mkdir()
    made = ProgramCopy(tmp_path / "copy")
    (made.folder / "things").mkdir(parents=True)
    (made.folder / "things" / "old.py").write_text("a\nb\n\nd\ne\n")
    return made


def test_the_blocks_of_a_section(page: Path) -> None:
    new, old, test = recipe("Add a thing")
    assert new == Block("things/new.py", "x = 1\n# no heading\n", is_diff=False)
    assert old.is_diff
    assert test.path == "tests/test_old.py"
    assert touched([new, old, test]) == {"things/new.py", "things/old.py"}
    with pytest.raises(AssertionError, match="no section 'Add nothing'"):
        recipe("Add nothing")


def test_a_block_says_which_file_it_is_for(page: Path) -> None:
    page.write_text(SECTION.replace("# things/new.py\n", ""))
    with pytest.raises(AssertionError, match="names no file: 'x = 1'"):
        recipe("Add a thing")


def test_files_are_made_and_changed(page: Path, copy: ProgramCopy) -> None:
    for block in recipe("Add a thing")[:2]:
        copy.apply(block)
    assert (copy.folder / "things" / "new.py").read_text() == "x = 1\n# no heading\n"
    assert (copy.folder / "things" / "old.py").read_text() == "a\nc\n\nd\nfirst\ne\n"
    with pytest.raises(AssertionError, match=r"things/new\.py is there already"):
        copy.apply(recipe("Add a thing")[0])


@pytest.mark.parametrize(("text", "times"), [("a\nB\n\nd\ne\n", 0), ("a\nb\n\nd\n" * 2, 2)])
def test_what_a_hunk_changes_is_there_once(page: Path, copy: ProgramCopy, text: str, times: int) -> None:
    (copy.folder / "things" / "old.py").write_text(text)
    with pytest.raises(AssertionError, match=rf"{times} times in things/old\.py"):
        copy.apply(recipe("Add a thing")[1])


def test_what_fails_in_the_copy_fails_the_test(copy: ProgramCopy) -> None:
    assert copy.run("-c", "print('fine')") == "fine\n"
    with pytest.raises(AssertionError, match="Boom"):
        copy.run("-c", "raise SystemExit('Boom')")
