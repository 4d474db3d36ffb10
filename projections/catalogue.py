"""The catalogue: every projection, in one list."""

from collections.abc import Collection
from itertools import chain
from typing import Any, Final

from projections.jobs.projection import JobsProjection
from projections.projection import Projection
from projections.sessions.projection import SessionsProjection
from runtime.problems import Problem

PROJECTIONS: Final[tuple[Projection[Any, Any], ...]] = (
    SessionsProjection(),
    JobsProjection(),
)
"""The projections of a site."""


def projections_of(sites: Collection[str]) -> tuple[Projection[Any, Any], ...]:
    """Return the projections of a site, or of a centre that mirrors streams of its `sites`."""
    if not sites:
        return PROJECTIONS
    return tuple(
        projection.reading(*chain.from_iterable(stream.mirrors(sites) for stream in projection.streams))
        for projection in PROJECTIONS
        if all(stream.mirrored for stream in projection.streams)
    )


def projection_named(name: str, sites: Collection[str] = ()) -> Projection[Any, Any]:
    """Return a site's or a centre's projection by its name. Raises Problem."""
    known = {projection.name: projection for projection in projections_of(sites)}
    if name not in known:
        raise Problem(f"no projection {name[:100]!r}: known are {', '.join(known)}")
    return known[name]
