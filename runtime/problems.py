"""Problems that a person can put right: shown in one line, never as a traceback."""


class Problem(Exception):
    """A process cannot start, or a command cannot go on.

    `message` is one line. `setting` names the environment variables to look at, if any. `details` are lines
    worth seeing below the message, such as the end of a server's log.
    """

    def __init__(self, message: str, setting: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.setting = setting
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} (see {self.setting})" if self.setting else self.message


class SettingsProblem(Problem):
    """A setting that nobody knows, or a file of settings that cannot be read."""


class TemporaryProblem(Problem):
    """A server did not do what it was asked; the same request may succeed later."""
