"""What a request asks for in its headers, beside its body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from runtime.http.waits import wanted_wait
from runtime.settings import Settings
from schemas.facts import TIME
from schemas.times import parse_time

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}(-[0-9a-f]+){3,8}")
_LONGEST_TRACEPARENT: Final = 128


@dataclass(frozen=True, slots=True)
class Wishes:
    """Idempotency, event time and trace of a write, and how long its answer may wait to be readable."""

    key: str | None
    headers: Mapping[str, str]  # travel with the fact
    wait: float  # seconds

    @classmethod
    def of(cls, headers: Mapping[str, str], settings: Settings, *, default_wait: float | None = None) -> Self:
        """Read the headers. Raises InvalidFact, HttpProblem; the key is checked with the fact."""
        passed = {}
        if (time := headers.get(TIME)) is not None:
            parse_time(time, TIME)
            passed[TIME] = time
        trace = headers.get("traceparent", "")
        # As the W3C says: one that is not understood is ignored, never an error.
        if len(trace) <= _LONGEST_TRACEPARENT and _TRACEPARENT.fullmatch(trace):
            passed["traceparent"] = trace
        return cls(
            headers.get("Idempotency-Key"), passed, wanted_wait(headers, settings, default=default_wait)
        )
