"""The outcome of a job, by the exception that left its block."""

import asyncio
from typing import Final, NamedTuple

from foldline_client.job_events import Kind, Status
from foldline_client.jsontext import safe_str

_CANCELED: Final = (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)
_MAX_MESSAGE: Final = (
    8_192  # characters: an event that is too large would be refused, and the job would never end
)


class JobOutcome(NamedTuple):
    """Kind, status and metadata of the last event of a job."""

    kind: Kind
    status: Status
    metadata: dict[str, str]


def outcome_of(error: BaseException | None) -> JobOutcome:
    """Return the outcome of a block: `sys.exit(0)` succeeded, Ctrl-C and cancelled tasks are canceled."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return JobOutcome("finished", "succeeded", {})
    name = type(error).__name__
    metadata = {"error": safe_str(error)[:_MAX_MESSAGE] or name, "error_type": name}
    if isinstance(error, _CANCELED):
        return JobOutcome("canceled", "canceled", metadata)
    return JobOutcome("finished", "failed", metadata)
