"""Every projection there is, in one list."""

from typing import Any, Final

from projections.jobs.projection import JobsProjection
from projections.projection import Projection
from projections.sessions.projection import SessionsProjection
from runtime.problems import Problem

PROJECTIONS: Final[tuple[Projection[Any, Any], ...]] = (SessionsProjection(), JobsProjection())


def projection_named(name: str) -> Projection[Any, Any]:
    """The projection of that name. Raises Problem."""
    for projection in PROJECTIONS:
        if projection.name == name:
            return projection
    known = ", ".join(projection.name for projection in PROJECTIONS)
    raise Problem(f"no projection {name[:100]!r}: known are {known}")
