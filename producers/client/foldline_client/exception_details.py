"""The fields of an event that describe an exception."""

import sys
import traceback
from types import TracebackType

from foldline_client.bodies import EventFields
from foldline_client.jsontext import safe_str

ExcInfo = (
    BaseException
    | tuple[type[BaseException], BaseException, TracebackType | None]
    | tuple[None, None, None]
    | bool
    | None
)
"""Everything that `logging` takes as exc_info: an exception, `sys.exc_info()`, or the one being handled."""


def exception_details(exc_info: ExcInfo = None) -> EventFields:
    """Return type, message, stack (causes included) and place of an exception.

    It is the one given, else the one being handled. Raises ValueError if there is none.
    """
    error = _exception(exc_info)
    if error is None:
        raise ValueError("there is no exception: pass one, or call this while one is being handled")
    lines = [line for part in traceback.format_exception(error) for line in part.rstrip("\n").split("\n")]
    details: EventFields = {
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
