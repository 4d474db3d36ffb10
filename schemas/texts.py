"""Texts that queries filter by: bounded in bytes, so that an index can hold them.

pydantic counts characters, which is right for most bodies and costs nothing. Only a body that could hold
others than plain ones is looked at once more, by `check_texts`: a callback for every field would take as
long as everything else that validating does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, get_args

from pydantic import Field
from typing_extensions import get_type_hints, is_typeddict

from schemas.validation import BACKSLASH, MAX_INDEXED_BYTES, InvalidFact

_DELETE: Final = 0x7F


@dataclass(frozen=True, slots=True)
class Exactly:
    """Marks a field for `check_texts`."""

    printable: bool = False

    def problem(self, text: str) -> str | None:
        """What is wrong with a text, if anything."""
        if len(text.encode()) > MAX_INDEXED_BYTES:
            return f"at most {MAX_INDEXED_BYTES} bytes are allowed"
        return "control characters are not allowed" if self.printable and not text.isprintable() else None


IndexedText = Annotated[str, Field(max_length=MAX_INDEXED_BYTES), Exactly()]
"""Text of up to 512 bytes."""
Name = Annotated[str, Field(min_length=1, max_length=MAX_INDEXED_BYTES), Exactly()]
"""The same, and not empty."""
EntityId = Annotated[str, Field(min_length=1, max_length=MAX_INDEXED_BYTES), Exactly(printable=True)]
"""Any printable text of up to 512 bytes: ids need not be UUIDs."""


def is_plain(body: bytes) -> bool:
    """Whether every text in a JSON body is printable ASCII, whose characters are its bytes."""
    return body.isascii() and BACKSLASH not in body and _DELETE not in body


def check_texts(model: Any, told: Mapping[str, Any], where: str = "") -> None:
    """Check what pydantic did not in what is told as `model`, and in dictionaries in it. Raises InvalidFact.

    `model`: a typed dictionary, or a model without others in it.
    """
    for name, exactly, inner in _fields(model):
        value = told.get(name)
        if value is None:
            continue
        if inner is not None:
            check_texts(inner, value, f"{where}{name}.")
        elif exactly is not None and (problem := exactly.problem(value)):
            raise InvalidFact("invalid_field", f"{where}{name}: {problem}")


@cache
def _fields(model: Any) -> list[tuple[str, Exactly | None, Any]]:
    """Name, marker and typed dictionary of each field."""
    found = []
    for name, hint in get_type_hints(model, include_extras=True).items():
        parts = list(_parts(hint))
        exactly = next((part for part in parts if isinstance(part, Exactly)), None)
        found.append((name, exactly, next(filter(is_typeddict, parts), None)))
    return found


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)
