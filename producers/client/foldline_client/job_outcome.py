"""How a job ended, by what left its block."""

import asyncio
from typing import Final, NamedTuple

from foldline_client.job_events import Kind, Status
from foldline_client.jsontext import safe_str

_CANCELED: Final = (KeyboardInterrupt, asyncio.CancelledError, GeneratorExit)
_MAX_MESSAGE: Final = 8_192  # characters: an event too large would be refused, and the job never end


class Outcome(NamedTuple):
    """The last event of a job."""

    kind: Kind
    status: Status
    metadata: dict[str, str]


def outcome_of(error: BaseException | None) -> Outcome:
    """Succeeded: no exception, or `sys.exit(0)`. Canceled: by Ctrl-C, or as a task. Else failed."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return Outcome("finished", "succeeded", {})
    name = type(error).__name__
    told = {"error": safe_str(error)[:_MAX_MESSAGE] or name, "error_type": name}
    if isinstance(error, _CANCELED):
        return Outcome("canceled", "canceled", told)
    return Outcome("finished", "failed", told)
