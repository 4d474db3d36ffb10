"""What a person can put right: told in one line, never as a traceback."""

from typing import Any


class Problem(Exception):
    """A process cannot start or a command cannot go on. `setting` names the variable to look at, if any.

    `details` are lines worth seeing below the message, such as the end of a server's log.
    """

    def __init__(self, message: str, setting: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.setting = setting
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} (see {self.setting})" if self.setting else self.message


class StreamUnavailable(Problem):
    """A question to a stream was answered with an error, or not at all; the same one may succeed later."""

    def __init__(self, stream: str, error: dict[str, Any] | str) -> None:
        said = error if isinstance(error, str) else error.get("description", error)
        super().__init__(f"stream {stream}: {said}", "FOLDLINE_NATS_URL")


class LineProblem(Problem):
    """The server or a stream is not what the promises need; the message says which field and what to do."""
