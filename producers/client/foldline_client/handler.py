"""Python's logging as events of a session."""

import logging
from datetime import UTC, datetime
from typing import Any, Final

from foldline_client.async_session import AsyncSession
from foldline_client.exceptions import describe
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
    """Turns each record into an event named "log".

    Level and category come from its level, the group is the logger's name, the data what came as `extra`;
    with the exception and its stack if there is one.

    What is logged while sending (by this library, httpx, nats) is left out, or each event would make another.
    """

    def __init__(self, session: Session | AsyncSession, level: int | str = logging.NOTSET) -> None:
        super().__init__(level)
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        """Record it; a mistake in a record's arguments is reported as logging does, not raised."""
        if SENDING.get() or record.name.partition(".")[0] == _OURS or self._session.ended:
            return
        try:
            level = level_word(record.levelno)
            extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
            fields: dict[str, Any] = {
                "source_file": record.pathname,
                "source_line": record.lineno,
                "source_function": record.funcName,
            }
            if record.exc_info and record.exc_info[1] is not None:
                fields |= describe(record.exc_info)
            self._session._event(
                "log",
                time=time_text(datetime.fromtimestamp(record.created, UTC)),
                level=level,
                category=level,
                group=record.name or None,
                message=safe_str(self.format(record) if self.formatter else record.getMessage()),
                data=extra or None,
                **fields,
            )
        except Exception:
            self.handleError(record)


def level_word(number: int) -> str:
    """The documented level for a number of `logging`."""
    return next((word for least, word in _LEVELS if number >= least), "debug")
