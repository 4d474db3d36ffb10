"""The page of all settings: `python -m foldline.settings_docs > docs/settings.md` writes it."""

import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from foldline.settings import PROCESSES, Settings
from runtime.settings.base import variable

_HEAD = """\
# Settings

Every process reads its settings once, at start, from environment variables, or from a file `.env` in the
directory it is started in; a variable wins over the file. A wrong value ends the process with a message that
names the variable. So does a name with this prefix that no process knows; a setting of another process is
ignored. `foldline up` reads all of them and hands them on.

This page is written by `make derived`; a test keeps it up to date.

| variable | type | default | what it is for | read by |
|---|---|---|---|---|
"""

_NAMES = {str: "text", int: "integer", float: "number", bool: "true or false", Path: "path"}
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def page() -> str:
    """Return the page, as Markdown."""
    rows = (
        f"| `{variable(name)}` | {_type(field)} | {_default(field.default)} | {field.description} "
        f"| {_readers(name)} |\n"
        for name, field in Settings.model_fields.items()
    )
    return _HEAD + "".join(rows)


def _readers(name: str) -> str:
    """Return the processes that read a setting."""
    readers = [process for process, model in PROCESSES.items() if name in model.model_fields]
    return "all" if len(readers) == len(PROCESSES) else ", ".join(readers) or "up"


def _type(field: FieldInfo) -> str:
    """Return the type in a word, and the bounds of a value."""
    bounds = [
        f"{sign} {getattr(limit, key)}"
        for key, sign in _BOUNDS.items()
        for limit in field.metadata
        if hasattr(limit, key)
    ]
    patterns = [
        # A bar would end the cell of the table, even within code.
        f"`{limit.pattern}`".replace("|", r"\|")
        for limit in field.metadata
        if getattr(limit, "pattern", None)
    ]
    return ", ".join([_word(field.annotation), *bounds, *patterns])


def _word(annotation: Any) -> str:
    if get_origin(annotation) is UnionType:
        (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
    return _NAMES[annotation]


def _default(value: object) -> str:
    if value is None:
        return "unset"
    if value == "":
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
