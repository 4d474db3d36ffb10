"""The surfaces: every way to run them has a port for each, and none twice."""

from collections import Counter
from pathlib import Path
from pkgutil import resolve_name

import pytest

from foldline.compose_ports import FILE, with_ports
from foldline.embedded.running_stack import Stack
from foldline.settings import Settings
from foldline.sites import site_ports
from foldline.surfaces import API, SURFACES, Surface, surface_named, surfaces_with_ports
from runtime.problems import Problem

MOST_SITES = 9


def test_names_are_unique() -> None:
    assert max(Counter(surface.name for surface in SURFACES).values()) == 1
    assert max(Counter(surface.label for surface in SURFACES).values()) == 1


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_routers_are_where_the_declaration_says(surface: Surface) -> None:
    assert callable(resolve_name(surface.routers))


def test_no_port_of_any_site_is_another_ones() -> None:
    settings = Settings(_env_file=None)
    own = {surface.port_setting: surface.port for surface in surfaces_with_ports(SURFACES)}
    servers = [settings.nats_port, settings.nats_monitor_port]
    ports = [*own.values(), *servers]
    for number in range(1, MOST_SITES + 1):
        ports += site_ports(settings, number).values()
    central = [port for port in ports if port == own["central_port"]]
    assert len(central) == 1  # a site has none
    assert max(Counter(ports).values()) == 1


def test_compose_publishes_every_port() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text == with_ports(text), "run: python -m foldline.compose_ports"
    for surface in surfaces_with_ports(SURFACES):
        assert (f":{surface.port}" in text) == (surface.process != "central")


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    assert surface_named("jobs").name == "jobs"
    with pytest.raises(Problem, match="no surface 'job': known are api, jobs, sidecar, daemon, central"):
        surface_named("job")


def test_addresses_are_those_of_the_ports(tmp_path: Path) -> None:
    stack = Stack(
        nats_url="nats://x", nats_monitor_url=None, database_url="postgresql://x", host="::", ports={"api": 9}
    )
    assert stack.url(API) == "http://[::1]:9"
    told = stack.as_json()
    assert told["api_port"] == 9
    assert told["api_url"] == "http://[::1]:9"
    assert "jobs_url" not in told
