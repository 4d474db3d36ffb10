"""Numbers in JSON: an integer keeps all of its digits, any other number is the nearest double.

What no double is near, because it is too large or would become zero, is refused: nothing changes in silence.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

MAX_DIGITS: Final = 4300
"""Digits of the longest integer that Python reads."""
_FARTHEST: Final = 2**1024 - 2**970 - 1
"""The largest integer that is near a double."""

# The pattern includes what follows a number, so that an id such as "7e345" in quotes does not match.
_FAR_EXPONENT: Final = re.compile(rb"[0-9][eE][+-]?[0-9]{3,}+\s*+(?:[,}\]]|\Z)")
_MANY_DIGITS: Final = b"0" * 200
# Maps every digit to 0 and both exponent letters to e: one pass in C shows that most bodies are harmless.
_DIGITS: Final = bytes.maketrans(b"123456789E", b"000000000e")
_ZERO: Final = ord("0")
_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class NumberType:
    """Marks a field that takes a number as it is: an integer stays one. Bounds are included.

    With `as_double` there is a double near every integer, as there is one near any other number.
    """

    least: int | None = None
    most: int | None = None
    as_double: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        farthest = (-_FARTHEST, _FARTHEST) if self.as_double else (None, None)
        least, most = (
            bound if bound is not None else far
            for bound, far in zip((self.least, self.most), farthest, strict=True)
        )
        integers = core_schema.int_schema(strict=True, ge=least, le=most)
        # It comes second because it takes integers as well: here those out of bounds, which it refuses.
        doubles = core_schema.float_schema(strict=True, allow_inf_nan=False, ge=self.least, le=self.most)
        return core_schema.union_schema(
            [integers, doubles],
            mode="left_to_right",
            custom_error_type="number_type",
            custom_error_message=self._expected(),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        bounds = {"minimum": self.least, "maximum": self.most}
        return {"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}

    def _expected(self) -> str:
        if self.most is not None:
            return f"a number from {self.least} to {self.most} is needed"
        least = "" if self.least is None else f" of at least {self.least}"
        return f"a number{least}{' within the range of a double' if self.as_double else ''} is needed"


Number = Annotated[float, NumberType()]
"""Any number."""
Measured = Annotated[float, NumberType(as_double=True)]
"""A number that statistics are made of, as a double."""


def may_not_fit(body: bytes) -> bool:
    """Whether a body may hold a number that cannot be kept. Of an ordinary one it costs one scan."""
    shape = body.translate(_DIGITS, b"+-")
    if b"0e000" in shape and _FAR_EXPONENT.search(body) is not None:
        return True
    # A run of so many digits covers one of these places.
    return _ZERO in shape[len(_MANY_DIGITS) - 1 :: len(_MANY_DIGITS)] and _MANY_DIGITS in shape


def misfit(body: bytes) -> str | None:
    """Return what is wrong with the first number in a body of valid JSON that cannot be kept."""
    try:
        json.loads(body, parse_float=_check, parse_int=str)
    except _MisfitError as exc:
        return str(exc)
    return None


class _MisfitError(Exception):
    """A number that no double is near."""


def _check(text: str) -> None:
    number = float(text)
    if math.isinf(number):
        raise _MisfitError(f"{text[:_SHOWN]} is too large for a double")
    if number == 0.0 and re.match("-?[0.]*[1-9]", text):
        raise _MisfitError(f"{text[:_SHOWN]} is too small for a double: it would become zero")
