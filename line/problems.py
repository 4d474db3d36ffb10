"""Problems of the line: a stream that does not answer, a server that is not as the promises need it."""

from typing import Any

from runtime.problems import Problem, TemporaryProblem


class StreamUnavailable(TemporaryProblem):
    """A stream answered a request with an error, or not at all; the same request may succeed later."""

    def __init__(self, stream: str, error: dict[str, Any] | str) -> None:
        said = error if isinstance(error, str) else error.get("description", error)
        super().__init__(f"stream {stream}: {said}", "FOLDLINE_NATS_URL")


class StreamGone(StreamUnavailable):
    """There is no stream of this name: somebody deleted it, and asking again does not help."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream, "is gone")
        self.setting = None  # the server was found


class LineProblem(Problem):
    """The server or a stream is not what the promises need; the message says which field and what to do."""
