"""The catalogue of reactors: what is declared can be run, measured, paused and found in the documents."""

from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram

from consumers.reactors.catalogue import REACTOR_NAMES, REACTORS, followers_of, reactors_of, tasks_of
from consumers.reactors.declaration import Periodic, Reactor, Task, variable_of
from foldline.settings import Settings
from projections.catalogue import PROJECTIONS
from runtime import metrics
from schemas.registry import DECLARED

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
A_SITE = Settings(_env_file=None)
A_CENTRE = Settings(_env_file=None, sites="fab1=http://localhost:1")


def names_of(settings: Settings) -> list[str]:
    return [reactor.name for reactor in reactors_of(settings)]


def when(reactor: Reactor) -> str:
    """When it runs, as the table of the documents says it."""
    period = f"every {reactor.period_s:g} s" if isinstance(reactor, Periodic) else "always"
    setting = variable_of(reactor)
    return f"{period}, if `{setting}` is set" if setting else period


def test_names_are_unique_and_no_projection_has_one() -> None:
    names = [*REACTOR_NAMES, *(projection.name for projection in PROJECTIONS)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("reactor", REACTORS, ids=REACTOR_NAMES)
def test_a_declaration_names_what_there_is(reactor: Reactor) -> None:
    assert reactor.streams
    assert set(reactor.streams) <= set(DECLARED.streams)
    assert reactor.about
    assert reactor.setting is None or reactor.setting in Settings.model_fields
    if isinstance(reactor, Task):
        assert reactor.durable.name == reactor.name
        assert len(reactor.durable.filters) == len(reactor.facts)


def test_reactors_run_where_their_streams_are_and_their_setting_is_set() -> None:
    limited = A_SITE.model_copy(update={"session_retention_days": 1.0})
    assert {"liveness", "expiry", "sweep"} <= set(names_of(A_SITE))
    assert set(names_of(limited)) - set(names_of(A_SITE)) == {"retention"}
    assert {"liveness", "expiry", "retention", "sweep"}.isdisjoint(names_of(A_CENTRE))


def test_followers_of_a_stream_are_projections_and_following_reactors() -> None:
    assert {"sessions", "liveness"} <= set(followers_of(A_SITE)["SESSIONS"])
    assert {"sessions", "liveness"} <= set(followers_of(A_SITE)["HEARTBEATS"])
    assert "jobs" in followers_of(A_SITE)["JOBS"]
    assert list(followers_of(A_CENTRE)) == ["JOBS_fab1"]


def test_tasks_by_fact() -> None:
    assert [one.name for one in tasks_of(A_SITE)["session.expired"]] == ["expiry"]
    assert tasks_of(A_CENTRE) == {}


def test_the_durable_that_old_data_directories_hold_is_the_declared_one() -> None:
    (expiry,) = tasks_of(A_SITE)["session.expired"]
    assert (expiry.stream, expiry.name) == ("SESSIONS", "expiry")
    assert expiry.filters == ("ev.*.*.session.*.expired",)


def test_every_metric_of_reactors_is_labelled_by_reactor() -> None:
    found = {name: metric for name, metric in vars(metrics).items() if name.startswith("REACTOR_")}
    kinds = {name: type(metric) for name, metric in found.items()}
    assert kinds == {
        "REACTOR_HANDLED": Counter,
        "REACTOR_FAILURES": Counter,
        "REACTOR_SECONDS": Histogram,
        "REACTOR_SUCCEEDED": Gauge,
        "REACTOR_PENDING": Gauge,
        "REACTOR_FAILING": Gauge,
        "REACTOR_PAUSED": Gauge,
        "REACTOR_RUNNING": Gauge,
    }
    assert {metric._labelnames for metric in found.values()} == {("reactor",)}


@pytest.mark.parametrize("reactor", REACTORS, ids=REACTOR_NAMES)
def test_the_documents_list_it(reactor: Reactor) -> None:
    streams = ", ".join(f"`{stream.name}`" for stream in reactor.streams)
    row = f"| `{reactor.name}` | {reactor.kind} | {streams} | {when(reactor)} | {reactor.about} |"
    assert row in OPERATIONS.read_text().splitlines()
