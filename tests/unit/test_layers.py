"""The shape of the code: imports point one way, every module says what it is for."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "runtime", "line", "projections", "producers", "consumers", "api", "foldline", "tests")


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def test_imports_point_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), path


def started_modules() -> set[str]:
    """Modules of ours that a file starts by name, `python -m room.module`, as a command or as arguments."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found: set[str] = set()
    for name in listed.split():
        if (ROOT / name).suffix in (".py", ".md", "") and (ROOT / name).is_file():
            text = (ROOT / name).read_text(errors="replace")
            found.update(re.findall(r'-m(?:"\s*,\s*"|\s+)((?:[a-z_]+\.)+[a-z_]+)\b', text))
    return {module for module in found if module.partition(".")[0] in (*PACKAGES, "benchmarks")}


def test_every_module_that_is_started_by_name_exists() -> None:
    started = started_modules()
    assert len(started) > 3
    assert [module for module in sorted(started) if importlib.util.find_spec(module) is None] == []
