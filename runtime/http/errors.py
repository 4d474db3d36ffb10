"""Errors of routes: raised as an HttpProblem, answered in the envelope of the surface."""

from collections.abc import Mapping
from typing import Any

from schemas.errors import ErrorCode


class HttpProblem(Exception):
    """An error of a route: its code, a sentence with the particulars, and `extra` for programs.

    The code decides status and title. `retry_after` is in seconds and becomes the header, too.
    """

    def __init__(
        self,
        code: ErrorCode,
        details: str,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.extra = extra or {}
        self.retry_after = None if retry_after is None else max(1, round(retry_after))
        self.headers = dict(headers or {})
        if self.retry_after is not None:
            self.headers["Retry-After"] = str(self.retry_after)

    @property
    def title(self) -> str:
        """A few words for people: the same for every problem of this code."""
        return self.code.summary


def session_not_found(session_id: str) -> HttpProblem:
    """Return the documented error for an unknown session, or an id that nobody could have published."""
    return HttpProblem(ErrorCode.SESSION_NOT_FOUND, f"No session with ID {session_id[:200]}")


def unavailable(details: str, retry_after: float = 1.0) -> HttpProblem:
    """Return a 503: a server that is needed is away, and a retry is welcome after `retry_after` seconds."""
    return HttpProblem(ErrorCode.UNAVAILABLE, details, retry_after=retry_after)


def rate_limited(details: str, retry_after: float) -> HttpProblem:
    """Return a 429: one client asks too often; after `retry_after` seconds it may ask again."""
    return HttpProblem(ErrorCode.RATE_LIMIT_EXCEEDED, details, retry_after=retry_after)
