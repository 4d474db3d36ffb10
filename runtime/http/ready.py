"""The answer of `/ready`: what works, and what is wrong with what since when."""

from typing import Any

from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.responses import Response

from runtime.http.errors import HttpProblem
from runtime.readiness import Readiness, Report
from schemas.errors import ErrorCode
from schemas.times import format_time


class ReadyDocument(BaseModel):
    """The state of a process and of what it depends on."""

    status: str = Field(description="`ready`, `degraded` while only reads or only writes work, `not ready`.")
    reads: bool | None = Field(None, description="Whether requests that read are answered.")
    writes: bool | None = Field(None, description="Whether what is written would be acknowledged.")
    checks: dict[str, str] = Field(description="`ok`, or what is wrong, by dependency.")
    since: dict[str, str] | None = Field(None, description="When it was first seen to be wrong.")
    notes: dict[str, str] | None = Field(None, description="Worth knowing; nothing depends on it.")


async def ready_response(readiness: Readiness, wanted: str | None) -> Response:
    """Ask every dependency, and answer 200 while anything works.

    With `wanted`, such as `writes` or `reads,writes`, all of that has to work; else it is a 503. Raises
    HttpProblem (400) for anything else.
    """
    purposes = [part.strip() for part in wanted.split(",")] if wanted is not None else []
    for purpose in purposes:
        if purpose not in readiness.purposes:
            known = ", ".join(readiness.purposes)
            raise HttpProblem(
                ErrorCode.INVALID_PARAMETER,
                f"for: {purpose[:50]!r} is not something to be ready for: {known}",
            )
    report = await readiness.ask()
    well = all(report.purposes[one] for one in purposes) if purposes else any(report.purposes.values())
    return Response(to_json(ready_body(report)), 200 if well else 503, media_type="application/json")


def ready_body(report: Report) -> dict[str, Any]:
    """Return the document of a report."""
    works = set(report.purposes.values())
    body: dict[str, Any] = {
        "status": "ready" if works == {True} else "degraded" if True in works else "not ready",
        **report.purposes,
        **checks_body(report),
    }
    if report.notes:
        body["notes"] = dict(report.notes)
    return body


def checks_body(report: Report) -> dict[str, Any]:
    """Return each dependency with `ok` or what is wrong, and since when."""
    troubles = report.troubles
    body: dict[str, Any] = {
        "checks": {name: trouble.problem if trouble else "ok" for name, trouble in report.found.items()}
    }
    if troubles:
        body["since"] = {name: format_time(trouble.since) for name, trouble in troubles.items()}
    return body
