"""Ids of sessions, made by the daemon: final with or without a line."""

import itertools
import secrets
import time
import uuid


class SessionIds:
    """Makes unique ids. An id made while the line is away says so."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    def new(self, *, connected: bool) -> str:
        """Return a UUID, or `local-session-<unix time>-<n>-<this process>`; both are tokens of a subject."""
        if connected:
            return str(uuid.uuid4())
        return f"local-session-{int(time.time())}-{next(self._numbers)}-{self._process}"
