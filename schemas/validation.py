"""The one validator of JSON bodies, used by admission and by the projector.

PostgreSQL can store whatever passes: no NUL, no lone surrogates, only numbers that are kept, bounded depth
and size. The hot path is pydantic's JSON parser; the exact checks run only for bodies that could fail them.
"""

import codecs
import re
from itertools import accumulate
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.errors import ErrorCode, error_code
from schemas.numbers import MAX_DIGITS, may_not_fit, misfit

MAX_DEPTH: Final = 64
MAX_INDEXED_BYTES: Final = 512
MAX_FACT_BYTES: Final = 1 << 20

BACKSLASH: Final = ord("\\")
_N: Final = ord("N")
_I: Final = ord("I")
_STEPS: Final = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _STEPS)


# That of UTF-32 begins like that of UTF-16.
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


class InvalidFact(ValueError):
    """A body or subject that has no place on the line.

    `reason` is a stable word for counting and filtering, `details` a sentence for people. Rejected events are
    stored with both: another text is another read model for a verification.
    """

    def __init__(self, reason: str, details: str) -> None:
        super().__init__(details)
        self.reason = reason
        self.details = details

    @property
    def code(self) -> ErrorCode:
        """The code by which HTTP answers the refusal."""
        return error_code(self.reason)


def check_body(body: bytes, *, max_bytes: int = MAX_FACT_BYTES) -> None:
    """Refuse bodies that no model could accept: for their size, NULs, numbers or depth.

    An ordinary body costs two byte counts and one scan. Its syntax is left to the parser that follows. Raises
    InvalidFact.
    """
    if len(body) > max_bytes:
        raise InvalidFact("too_large", f"the body has {len(body)} bytes, at most {max_bytes} are allowed")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(body)
    if _is_suspicious(body):
        _check_texts(parse_json(body))
    if may_not_fit(body):
        parse_json(body)
        if problem := misfit(body):
            raise InvalidFact("invalid_number", problem)


def parse_json(body: bytes) -> Any:
    """Parse strict JSON, without NaN. Raises InvalidFact with the position of the error."""
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError as exc:
        raise invalid_json(body, str(exc)) from None


def parse_value(text: str) -> Any:
    """Parse JSON of a user's text, which has to be a value that a fact may hold. Raises InvalidFact."""
    body = text.encode()
    check_body(body)
    return parse_json(body)


def invalid_json(body: bytes, message: str) -> InvalidFact:
    """Return what is wrong with a body that the parser refused; `message` is the parser's own."""
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if body.startswith(mark):
            return InvalidFact(
                "invalid_json",
                f"Failed to parse JSON: the body begins with the byte-order mark of {encoding}; "
                "JSON is UTF-8 without one",
            )
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        return InvalidFact("invalid_json", f"Failed to parse JSON: not UTF-8 at byte {exc.start}")
    if "recursion" in message:
        return InvalidFact("too_deep", f"nested deeper than {MAX_DEPTH} levels")
    if "number out of range" in message:
        return InvalidFact("invalid_number", f"an integer has more than {MAX_DIGITS} digits")
    if "surrogate" in message or "hex escape" in message:
        return InvalidFact("invalid_text", "a \\u escape is not a character: a lone surrogate or cut short")
    return InvalidFact("invalid_json", f"Failed to parse JSON: {message}")


def from_validation_error(exc: ValidationError, body: bytes) -> InvalidFact:
    """Return pydantic's first complaint as one sentence that says what was wrong and where."""
    first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return invalid_json(body, first["msg"].removeprefix("Invalid JSON: "))
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("missing", "string_too_short"):
        return InvalidFact("missing_field", f"{where} is required")
    if first["type"] == "string_too_long":
        return InvalidFact("invalid_field", f"{where}: at most {MAX_INDEXED_BYTES} bytes are allowed")
    message = first["msg"].removeprefix("Value error, ")
    return InvalidFact("invalid_field", f"{where}: {message}" if where else message)


def _is_suspicious(body: bytes) -> bool:
    # A single byte is found several times as fast as a text.
    if (BACKSLASH in body and b"\\u0000" in body) or (_N in body and b"NaN" in body):
        return True
    return _I in body and b"Infinity" in body


def _check_depth(body: bytes) -> None:
    # Possessive, and a string that never ends matches as well: no body may cost more than one pass.
    stripped = re.sub(rb'(?s)"(?:[^"\\]++|\\.)*+"?', b"", body)
    brackets = stripped.translate(None, _NOT_BRACKETS)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise InvalidFact("too_deep", f"nested deeper than {MAX_DEPTH} levels")


def _check_texts(value: Any) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, str) and "\x00" in item:
            raise InvalidFact("invalid_text", "a string holds the NUL character, which cannot be stored")
