"""Ids of sessions, made here: with or without the line they are final."""

import itertools
import secrets
import time
import uuid


class SessionIds:
    """Makes ids. One made while the line is away shows that, and is as unique as the others."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    def new(self, *, connected: bool) -> str:
        """A UUID, or `local-session-<unix time>-<n>-<this process>`; either is a token of a subject."""
        if connected:
            return str(uuid.uuid4())
        return f"local-session-{int(time.time())}-{next(self._numbers)}-{self._process}"
