"""What an operator can put right: told in one line, never with a traceback."""


class Problem(Exception):
    """A process cannot start or a command cannot go on; the message says what and which setting to see."""
