"""Envelopes: the form that each surface's document gives its errors."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from runtime.http.errors import HttpProblem
from schemas.errors import AgentError, ErrorCode, JobError, SessionError, TraceError, TraceErrorBody
from schemas.times import format_time


@dataclass(frozen=True, slots=True)
class Envelope:
    """The form of a surface's errors.

    `model` describes every body. `invalid` is the status that answers invalid input. `body` fills the model
    from a problem and the time of the answer.
    """

    model: type[BaseModel]
    invalid: int
    body: Callable[[HttpProblem, datetime], BaseModel]

    def render(self, problem: HttpProblem, now: datetime) -> dict[str, Any]:
        """Return the JSON of an error; keys without a value are absent."""
        return self.body(problem, now).model_dump(exclude_none=True)

    def status(self, problem: HttpProblem) -> int:
        """Return the status that answers a problem."""
        return problem.code.status or self.invalid


def _session(problem: HttpProblem, _: datetime) -> SessionError:
    return SessionError(error=problem.title, details=problem.details, retry_after=_retry_after(problem))


def _job(problem: HttpProblem, _: datetime) -> JobError:
    return JobError(detail=problem.details)


def _trace(problem: HttpProblem, _: datetime) -> TraceError:
    return TraceError(
        error=TraceErrorBody(
            code=problem.code,
            message=problem.details,
            details=dict(problem.extra) or None,
            retry_after=_retry_after(problem),
        )
    )


def _agent(problem: HttpProblem, now: datetime) -> AgentError:
    if problem.code is ErrorCode.RATE_LIMIT_EXCEEDED:
        return AgentError(detail=problem.details, retry_after=problem.retry_after)
    return AgentError(detail=problem.details, error_code=problem.code.upper(), timestamp=format_time(now))


def _retry_after(problem: HttpProblem) -> int | None:
    """Return the seconds that the documents name in the body of a 429, and nowhere else."""
    return problem.retry_after if problem.code is ErrorCode.RATE_LIMIT_EXCEEDED else None


SESSIONS: Final = Envelope(SessionError, 400, _session)
JOBS: Final = Envelope(JobError, 422, _job)
TRACES: Final = Envelope(TraceError, 400, _trace)
AGENTS: Final = Envelope(AgentError, 422, _agent)
