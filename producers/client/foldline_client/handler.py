"""A handler of Python's logging whose records become events of a session."""

import logging
from datetime import UTC, datetime
from typing import Final

from foldline_client.async_session import AsyncSession
from foldline_client.bodies import EventFields
from foldline_client.exception_details import exception_details
from foldline_client.items import time_text
from foldline_client.jsontext import safe_str
from foldline_client.pump import SENDING
from foldline_client.session import Session

_OURS: Final = "foldline_client"
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LEVELS: Final = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


class FoldlineHandler(logging.Handler):
    """Records an event named "log" for each log record.

    Level and category come from the record's level, the group is the logger's name, the data is what was
    passed as `extra`. An exception is recorded with its stack.

    Records made while sending (by this library, httpx, nats) are left out, or each event would make another.
    """

    def __init__(self, session: Session | AsyncSession, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        """Record an event. A mistake in the record's arguments is reported the way of logging, not raised."""
        if SENDING.get() or record.name.partition(".")[0] == _OURS or self._session.ended:
            return
        try:
            level = level_word(record.levelno)
            extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
            fields: EventFields = {
                "level": level,
                "category": level,
                "group": record.name or None,
                "message": safe_str(self.format(record) if self.formatter else record.getMessage()),
                "data": extra or None,
                "source_file": record.pathname,
                "source_line": record.lineno,
                "source_function": record.funcName,
            }
            if record.exc_info and record.exc_info[1] is not None:
                fields |= exception_details(record.exc_info)
            time = time_text(datetime.fromtimestamp(record.created, UTC))
            self._session._event("log", time=time, **fields)
        except Exception:
            self.handleError(record)


def level_word(number: int) -> str:
    """Return the documented level for a number of `logging`."""
    return next((word for least, word in _LEVELS if number >= least), "debug")
