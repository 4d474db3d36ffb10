"""The catalogue: every projection, in one list."""

from collections.abc import Collection
from typing import Any, Final

from projections.jobs.projection import JobsProjection
from projections.projection import Projection
from projections.sessions.projection import SessionsProjection
from runtime.problems import Problem
from schemas.jobs.streams import JOBS

PROJECTIONS: Final[tuple[Projection[Any, Any], ...]] = (
    SessionsProjection(),
    JobsProjection(),
)
"""The projections of a site."""


def projections_of(sites: Collection[str]) -> tuple[Projection[Any, Any], ...]:
    """Return the projections of a site, or of a centre that gathers `sites`."""
    return (JobsProjection(streams=JOBS.mirrors(sites)),) if sites else PROJECTIONS


def projection_named(name: str, sites: Collection[str] = ()) -> Projection[Any, Any]:
    """Return a site's or a centre's projection by its name. Raises Problem."""
    known = {projection.name: projection for projection in projections_of(sites)}
    if name not in known:
        raise Problem(f"no projection {name[:100]!r}: known are {', '.join(known)}")
    return known[name]
