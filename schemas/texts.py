"""Texts that queries filter by, bounded in bytes, so that an index can hold them.

pydantic counts characters, which costs nothing and is the same for a body of plain ASCII. Only other bodies
are checked once more, by `check_texts`: a callback for every field would take as long as the rest of the
validation.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, get_args

from pydantic import Field
from typing_extensions import get_type_hints, is_typeddict

from schemas.validation import BACKSLASH, MAX_INDEXED_BYTES, InvalidFact

_DELETE: Final = 0x7F
# A rule of our own: what `str.isprintable` takes for a character differs from one Python to the next, and a
# read model must not depend on who folds it.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def has_control(text: str) -> bool:
    """Whether a text holds a control character: C0, DEL, C1, or a line or paragraph separator."""
    return _CONTROL.search(text) is not None


@dataclass(frozen=True, slots=True)
class TextBound:
    """Marks a field that `check_texts` checks: at most 512 bytes, and no control characters if so marked."""

    no_control: bool = False

    def problem(self, text: str) -> str | None:
        """Return what is wrong with a text, or None."""
        if len(text.encode()) > MAX_INDEXED_BYTES:
            return f"at most {MAX_INDEXED_BYTES} bytes are allowed"
        return "control characters are not allowed" if self.no_control and has_control(text) else None


IndexedText = Annotated[str, Field(max_length=MAX_INDEXED_BYTES), TextBound()]
"""A text of up to 512 bytes."""
Name = Annotated[str, Field(min_length=1, max_length=MAX_INDEXED_BYTES), TextBound()]
"""A text of 1 to 512 bytes."""
EntityId = Annotated[str, Field(min_length=1, max_length=MAX_INDEXED_BYTES), TextBound(no_control=True)]
"""A text of 1 to 512 bytes without control characters: ids need not be UUIDs."""


def is_plain(body: bytes) -> bool:
    """Whether every text in a JSON body is printable ASCII, whose characters are its bytes."""
    return body.isascii() and BACKSLASH not in body and _DELETE not in body


def check_texts(model: Any, values: Mapping[str, Any], where: str = "") -> None:
    """Check the marked texts of a validated body, and of the dictionaries in it. Raises InvalidFact.

    `model` is the type of `values`: a typed dictionary, or a pydantic model without others in it.
    """
    for name, bound, inner in _fields(model):
        value = values.get(name)
        if value is None:
            continue
        if inner is not None:
            check_texts(inner, value, f"{where}{name}.")
        elif bound is not None and (problem := bound.problem(value)):
            raise InvalidFact("invalid_field", f"{where}{name}: {problem}")


@cache
def _fields(model: Any) -> list[tuple[str, TextBound | None, Any]]:
    """Return the name of each field, its marker, and the typed dictionary it holds."""
    found = []
    for name, hint in get_type_hints(model, include_extras=True).items():
        parts = list(_parts(hint))
        bound = next((part for part in parts if isinstance(part, TextBound)), None)
        found.append((name, bound, next(filter(is_typeddict, parts), None)))
    return found


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)
