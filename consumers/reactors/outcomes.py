"""Outcomes: what the reactors of a process did lately, as metrics and, every few seconds, in PostgreSQL.

Nothing is written while a reactor works: a success costs a few microseconds, and PostgreSQL's absence hides
no failure.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple, TypeVar

from line.raw_event import RawEvent
from runtime import metrics
from runtime.database.connections import Connection
from runtime.database.engine.queries import engine_queries

_QUERIES: Final = engine_queries()
_LONGEST: Final = 500
K = TypeVar("K")
V = TypeVar("V")


class _Place(NamedTuple):
    reactor: str
    stream: str
    sequence: int


class _Failing(NamedTuple):
    subject: str
    tries: int
    error: str


class _Failure(NamedTuple):
    at: float
    error: str


class Outcomes:
    """Collects outcomes until they are written. `names`: the reactors that this process runs.

    Those of one process are in order; between processes the time that a statement is under way blurs it.
    """

    def __init__(self, names: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._names = sorted(names)
        self._clock = clock
        self._succeeded: dict[str, float] = {}  # when
        self._failed: dict[str, _Failure] = {}
        self._messages: dict[_Place, _Failing | None] = {}  # None: handled after all

    @contextmanager
    def measured(self, reactor: str) -> Iterator[None]:
        """Measure one message, batch or run; an exception is a failure."""
        started = time.perf_counter()
        try:
            yield
        except Exception as exc:
            self.note_failure(reactor, exc)
            raise
        else:
            self._succeeded[reactor] = self._clock()
            metrics.REACTOR_HANDLED.labels(reactor).inc()
            metrics.REACTOR_SUCCEEDED.labels(reactor).set_to_current_time()
        finally:
            metrics.REACTOR_SECONDS.labels(reactor).observe(time.perf_counter() - started)

    def note_failure(self, reactor: str, exc: Exception) -> None:
        """Count a failure and keep its text."""
        metrics.REACTOR_FAILURES.labels(reactor).inc()
        self._failed[reactor] = _Failure(self._clock(), described(exc))

    def note_failing(self, reactor: str, event: RawEvent, tries: int, exc: Exception) -> None:
        """Keep an event that a task reactor has tried in vain so often that somebody should look."""
        place = _Place(reactor, event.stream, event.sequence)
        self._messages[place] = _Failing(event.subject, tries, described(exc))

    def note_handled(self, reactor: str, event: RawEvent) -> None:
        """Forget an event that was failing: it is handled."""
        self._messages[_Place(reactor, event.stream, event.sequence)] = None

    async def write(self, conn: Connection) -> None:
        """Write what is new, and that these reactors are running. Raises psycopg.Error: it is kept then."""
        succeeded, failed, messages = dict(self._succeeded), dict(self._failed), dict(self._messages)
        async with conn.transaction():
            now = self._clock()
            await conn.execute(
                _QUERIES["note-reactors"],
                {
                    "names": self._names,
                    # As ages: PostgreSQL's clock makes times of them, as of all times that are compared here.
                    "succeeded": [
                        now - succeeded[name] if name in succeeded else None for name in self._names
                    ],
                    "failed": [now - failed[name].at if name in failed else None for name in self._names],
                    "failures": [failed[name].error if name in failed else None for name in self._names],
                },
            )
            for place, failing in sorted(messages.items()):
                if failing is None:
                    await conn.execute(_QUERIES["forget-failing"], place._asdict())
                else:
                    await conn.execute(_QUERIES["note-failing"], place._asdict() | failing._asdict())
        _drop(succeeded, self._succeeded)
        _drop(failed, self._failed)
        _drop(messages, self._messages)


def described(exc: Exception) -> str:
    """Return an exception as one line that PostgreSQL can store."""
    text = str(exc).strip().partition("\n")[0].replace("\x00", "").encode(errors="replace").decode()
    return f"{type(exc).__name__}: {text}"[:_LONGEST]


def _drop(written: Mapping[K, V], kept: dict[K, V]) -> None:
    for key, value in written.items():
        if kept[key] == value:  # else it is of a later moment
            del kept[key]
