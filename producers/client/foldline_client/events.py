"""Events of a session, exceptions among them."""

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from foldline_client.bodies import EventFields, event_body
from foldline_client.exception_details import ExcInfo, exception_details
from foldline_client.items import EVENT, time_text
from foldline_client.recorder import Recorder


class EventRecorder(Recorder):
    """Records events."""

    def log_event(
        self,
        name: str,
        level: str | None = None,
        category: str | None = None,
        group: str | None = None,
        labels: Iterable[str] | None = None,
        message: str | None = None,
        data: Mapping[str, Any] | None = None,
        stacktrace: Iterable[str] | None = None,
        exception_type: str | None = None,
        exception_msg: str | None = None,
        source_file: str | None = None,
        source_line: int | None = None,
        source_function: str | None = None,
    ) -> None:
        """Record that something happened. `level` is debug, info, warning, error or critical."""
        self._event(
            name,
            level=level,
            category=category,
            group=group,
            labels=labels,
            message=message,
            data=data,
            stacktrace=stacktrace,
            exception_type=exception_type,
            exception_msg=exception_msg,
            source_file=source_file,
            source_line=source_line,
            source_function=source_function,
        )

    def log_exception(self, exc_info: ExcInfo = None, extra_data: Mapping[str, Any] | None = None) -> None:
        """Record an exception with its stack: the one given, else the one being handled.

        Raises ValueError if there is none.
        """
        details = exception_details(exc_info)
        fields: EventFields = {
            "level": "error",
            "category": "error",
            "group": "exception",
            "labels": ["exception", str(details["exception_type"])],
            "message": details["exception_msg"],
            "data": extra_data,
            **details,
        }
        self._event("exception", **fields)

    def _event(self, name: str, *, time: str | None = None, **fields: Unpack[EventFields]) -> None:
        self._record(EVENT, event_body(name, time=time or time_text(), **fields))
