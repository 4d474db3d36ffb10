"""An exception as an event shows it."""

import sys
import traceback
from types import TracebackType
from typing import TypedDict

from foldline_client.jsontext import safe_str

ExcInfo = (
    BaseException
    | tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
    | bool
    | None
)
"""What `logging` takes as exc_info: an exception, `sys.exc_info()`, or nothing for the one being handled."""


class ExceptionDetails(TypedDict, total=False):
    """The event fields that describe an exception."""

    exception_type: str
    exception_msg: str
    stacktrace: list[str]
    source_file: str
    source_line: int | None
    source_function: str


def describe(exc_info: ExcInfo = None) -> ExceptionDetails:
    """Type, message, stack (causes included) and where it was raised. Raises ValueError for none."""
    error = _exception(exc_info)
    if error is None:
        raise ValueError("no exception was given and none is being handled")
    lines = [line for part in traceback.format_exception(error) for line in part.rstrip("\n").split("\n")]
    details: ExceptionDetails = {
        "exception_type": type(error).__name__,
        "exception_msg": safe_str(error),
        "stacktrace": lines,
    }
    frames = traceback.extract_tb(error.__traceback__)
    if frames:
        innermost = frames[-1]
        details["source_file"] = innermost.filename
        details["source_line"] = innermost.lineno
        details["source_function"] = innermost.name
    return details


def _exception(exc_info: ExcInfo) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case _:
            return sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
