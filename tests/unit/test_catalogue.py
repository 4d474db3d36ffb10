"""Projections of a site and of a centre."""

import pytest

from projections.catalogue import PROJECTIONS, projection_named, projections_of
from runtime.problems import Problem


def test_a_site_runs_all_on_its_own_streams() -> None:
    assert projections_of([]) is PROJECTIONS


def test_a_centre_runs_those_whose_streams_it_mirrors_on_its_copies() -> None:
    (jobs,) = projections_of(["fab1", "fab2"])
    assert jobs.name == "jobs"
    assert [stream.name for stream in jobs.streams] == ["JOBS_fab1", "JOBS_fab2"]
    assert [stream.origin for stream in jobs.streams] == [("fab1", "JOBS"), ("fab2", "JOBS")]
    building = jobs.in_schema("jobs_building")
    assert (building.schema, building.streams) == ("jobs_building", jobs.streams)


def test_a_projection_by_its_name() -> None:
    assert projection_named("jobs").streams != projection_named("jobs", ["fab1"]).streams
    with pytest.raises(Problem, match="no projection 'sessions': known are jobs"):
        projection_named("sessions", ["fab1"])
