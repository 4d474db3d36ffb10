"""Errors a person can mend: told in one line, never as a traceback."""


class Problem(Exception):
    """Something the operator can change. `setting` names the variable to look at, where there is one.

    `details` are lines worth seeing below the message, such as the end of a server's log.
    """

    def __init__(self, message: str, setting: str | None = None, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.setting = setting
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} (see {self.setting})" if self.setting else self.message
