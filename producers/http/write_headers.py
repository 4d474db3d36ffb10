"""The headers of a write that Foldline reads: idempotency, event time, trace, and how long to wait."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from runtime.http.openapi import Header
from runtime.http.waits import WAIT_HEADER, wanted_wait
from runtime.settings.http import WaitSettings
from schemas.facts import CLOCK, OWN_CLOCK, TIME
from schemas.times import parse_time

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
FACT_HEADERS: Final = (
    Header(TIME, "When it happened, if the body does not say it.", {"type": "string", "format": "date-time"}),
    Header(
        CLOCK,
        "`own`: the time is what the clock of the sender's host said. Too far ahead it is not refused, the"
        " latest time allowed counts.",
        {"type": "string", "enum": [OWN_CLOCK]},
    ),
    Header("traceparent", "W3C trace context; it is stored with the fact."),
    WAIT_HEADER,
)
WRITE_HEADERS: Final = (
    Header(
        IDEMPOTENCY_KEY,
        "A write under the same key has no further effect and gets the first answer.",
        {"type": "string", "pattern": "^[!-~]{1,256}$"},
    ),
    *FACT_HEADERS,
)
"""The headers of a write whose body has no place for a key, as OpenAPI describes them."""

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}(-[0-9a-f]+){3,8}")
_LONGEST_TRACEPARENT: Final = 128


@dataclass(frozen=True, slots=True)
class WriteHeaders:
    """Idempotency key, event time and trace of a write, and how long its answer waits to be readable."""

    key: str | None
    passed_on: Mapping[str, str]  # published with the fact
    wait: float  # seconds

    @classmethod
    def of(
        cls, headers: Mapping[str, str], settings: WaitSettings, *, default_wait: float | None = None
    ) -> Self:
        """Read a request's headers. Raises InvalidFact, HttpProblem; the key is checked by admission."""
        passed_on = {}
        if (time := headers.get(TIME)) is not None:
            parse_time(time, TIME)
            passed_on[TIME] = time
        if headers.get(CLOCK) == OWN_CLOCK:
            passed_on[CLOCK] = OWN_CLOCK
        trace = headers.get("traceparent", "")
        # W3C Trace Context: a traceparent that cannot be parsed is ignored, never an error.
        if len(trace) <= _LONGEST_TRACEPARENT and _TRACEPARENT.fullmatch(trace):
            passed_on["traceparent"] = trace
        return cls(
            headers.get(IDEMPOTENCY_KEY), passed_on, wanted_wait(headers, settings, default=default_wait)
        )
