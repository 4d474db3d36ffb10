"""Positions of writes on the line, remembered so that later reads wait for them."""

import asyncio
import math
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, TypeVar
from weakref import WeakSet

POSITION: Final = "Foldline-Position"
MIN_POSITION: Final = "Foldline-Min-Position"
WAIT: Final = "Foldline-Wait"

LONGEST_WAIT: Final = 30.0  # seconds; what the server takes at most
_SHORTEST_PAUSE: Final = 0.05  # a server that says "at once" is not asked in a tight loop
_MAX_DIGITS: Final = 18


def parse_positions(text: str) -> list[tuple[str, int]]:
    """Parse a header into `<stream>/<partition>` and sequence of each position. Raises ValueError."""
    return [_parse(part) for part in text.split(",") if part.strip()]


class Response(Protocol):
    """The common part of the answers of httpx and requests."""

    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


R = TypeVar("R", bound=Response)
_all: "WeakSet[Positions]" = WeakSet()


class Positions:
    """The newest position of each partition in the answers to writes, which a read has to show.

    Note every write's answer, and pass `headers()` with every read. Any thread may call any method. Share one
    object among all who have to see one another's writes: a process, or a user of it.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._lock = threading.RLock()  # a signal handler may write, too
        _all.add(self)

    def note(self, answer: Mapping[str, str] | str) -> None:
        """Remember a write: its answer's headers, or positions as text (`SESSIONS/7:1234`, comma-separated).

        Headers without positions change nothing, nor does a position older than one known. Raises ValueError
        for text that is no position; then nothing of it is remembered.
        """
        text = answer if isinstance(answer, str) else _header(answer, POSITION) or ""
        for place, sequence in parse_positions(text):
            self.reached(place, sequence)

    def reached(self, place: str, sequence: int) -> None:
        """Remember one position, as of a publish JetStream acknowledged: `<stream>/<partition>`, sequence."""
        with self._lock:
            if sequence > self._newest.get(place, 0):
                self._newest[place] = sequence

    def headers(self, wait: float | None = None) -> dict[str, str]:
        """Return the headers of a read that shows all noted so far; none if nothing was noted.

        `wait`: how many seconds the server may wait for that, from 0 to 30; its own default unless told. Keep
        it below the HTTP client's time-out. Raises ValueError for any other.
        """
        if wait is not None and not 0 <= wait <= LONGEST_WAIT:
            raise ValueError(f"wait={wait!r} is not a number of seconds from 0 to {LONGEST_WAIT:g}")
        position = str(self)
        if not position:
            return {}
        waiting = {} if wait is None else {WAIT: str(int(wait * 1000))}
        return {MIN_POSITION: position, **waiting}

    def get(
        self, get: Callable[..., R], *args: Any, wait: float = 2.0, deadline: float = 30.0, **kwargs: Any
    ) -> R:
        """Read through `get` (of httpx, requests, or their clients), until all noted is shown.

        The other arguments are passed on. After an answer 503 with Retry-After it asks again when that pause
        is over, until `deadline` seconds have passed; it returns the last answer. `wait` is that of
        `headers`. Raises what `get` raises, and ValueError for a wait or deadline out of range.
        """
        tries = _Tries(self, wait, deadline, kwargs.pop("headers", None))
        while True:
            response = get(*args, headers=tries.headers(), **kwargs)
            pause = tries.pause(response)
            if pause is None:
                return response
            time.sleep(pause)

    async def get_async(
        self,
        get: Callable[..., Awaitable[R]],
        *args: Any,
        wait: float = 2.0,
        deadline: float = 30.0,
        **kwargs: Any,
    ) -> R:
        """Read like `get`, through a `get` that is awaited, such as that of httpx.AsyncClient."""
        tries = _Tries(self, wait, deadline, kwargs.pop("headers", None))
        while True:
            response = await get(*args, headers=tries.headers(), **kwargs)
            pause = tries.pause(response)
            if pause is None:
                return response
            await asyncio.sleep(pause)

    def __str__(self) -> str:
        """Return all that is noted, in the form of the header; another process may `note` it."""
        with self._lock:
            return ",".join(f"{place}:{sequence}" for place, sequence in sorted(self._newest.items()))


class _Tries:
    """One read: its headers, and how long to pause before the next try."""

    def __init__(
        self, positions: Positions, wait: float, deadline: float, headers: Mapping[str, str] | None
    ) -> None:
        if not 0 <= deadline < math.inf:
            raise ValueError(f"deadline={deadline!r} is not a number of seconds from 0 up")
        positions.headers(wait)  # raises for a bad wait before anything is sent
        self._positions, self._wait, self._own = positions, wait, dict(headers or {})
        self._until = time.monotonic() + deadline

    def headers(self) -> dict[str, str]:
        """Return the caller's headers and those of the wait, which ends with the deadline."""
        left = max(0.0, self._until - time.monotonic())
        return {**self._own, **self._positions.headers(min(self._wait, left))}

    def pause(self, response: Response) -> float | None:
        """Return the seconds until the next try; None: this answer is the last."""
        asked = _header(response.headers, "Retry-After")
        if response.status_code != 503 or asked is None:
            return None
        try:
            pause = max(float(asked), _SHORTEST_PAUSE)
        except ValueError:
            return None  # a date: not from Foldline, and not within a deadline of seconds
        return pause if time.monotonic() + pause < self._until else None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header in any spelling: a plain dict knows only one."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), None)


def _parse(text: str) -> tuple[str, int]:
    place, _, sequence = text.strip().rpartition(":")
    stream, _, partition = place.partition("/")
    digits = sequence.isascii() and sequence.isdecimal() and len(sequence) <= _MAX_DIGITS
    if not (stream and partition.isascii() and partition.isdecimal() and digits):
        raise ValueError(f"{text.strip()[:100]!r} is not a position like SESSIONS/7:1234")
    return place, int(sequence)


def _after_fork() -> None:
    # A thread of the parent may have been noting: nobody is left to release its lock.
    for positions in list(_all):
        positions._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
