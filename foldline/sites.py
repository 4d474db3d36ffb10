"""`foldline up --sites`: several sites and their centre on one machine, each with a line of its own."""

import re
from collections.abc import Sequence
from typing import Final

from foldline.composition import (
    Composition,
    claim_ports,
    compose_site,
    create_worker,
    serving_worker,
    worker_environment,
)
from foldline.embedded.layout import Layout
from foldline.embedded.nats import Federation
from foldline.embedded.ports import pick_port
from foldline.servers import compose_servers
from foldline.surfaces import JOBS, SITE_SURFACES, surfaces_of, surfaces_with_ports
from foldline.up_context import UpContext
from runtime.problems import Problem
from runtime.settings.processes import UpSettings

CENTRE: Final = "centre"
_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SERVER_PORTS: Final = ("nats_port", "nats_monitor_port")


def site_names(text: str) -> list[str]:
    """Read the sites of `--sites fab1,fab2`. Raises Problem."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names or len(set(names)) < len(names):
        raise Problem(
            f"--sites {text[:80]!r} does not name different sites: separate them by commas, like fab1,fab2"
        )
    for name in names:
        if not _SITE.fullmatch(name) or name == CENTRE:
            raise Problem(
                f"{name[:80]!r} cannot name a site: 1 to 64 of A-Z a-z 0-9 _ - are allowed, not {CENTRE!r}"
            )
    return names


def compose_sites(
    settings: UpSettings, layout: Layout, sites: Sequence[str], context: UpContext
) -> list[Composition]:
    """Compose the centre and every site, each in a folder of its own, the centre first. Raises Problem.

    The first site has the configured ports plus 1, the second plus 2, and so on.
    """
    hub_port = pick_port(settings.host, context.taken)
    members = []
    for number, site in enumerate(sites, 1):
        ports = site_ports(settings, number)
        own = settings.model_copy(update={"site": site, "own_site_only": True, **ports})
        members.append(compose_site(own, _folder(layout, site), context, Federation(site, hub_port)))
    addresses = ",".join(f"{site}={one.stack.url(JOBS)}" for site, one in zip(sites, members, strict=True))
    hub = Federation("hub", hub_port, is_hub=True)
    return [_compose_centre(settings, _folder(layout, CENTRE), context, hub, addresses), *members]


def site_ports(settings: UpSettings, number: int) -> dict[str, int]:
    """Return the ports of the site with this number; 0 stays 0, which is any free one."""
    steps = dict.fromkeys(_SERVER_PORTS, 1)
    steps |= {surface.port_setting: surface.step for surface in surfaces_with_ports(SITE_SURFACES)}
    ports = {name: getattr(settings, name) for name in steps}
    return {name: port + number * steps[name] if port else 0 for name, port in ports.items()}


def _compose_centre(
    settings: UpSettings, layout: Layout, context: UpContext, hub: Federation, addresses: str
) -> Composition:
    own = settings.model_copy(update={"site": CENTRE, "sites": addresses})
    ports = claim_ports(settings, surfaces_of("central"), context)
    stack, servers = compose_servers(own, layout, context, hub, ports=ports, site=CENTRE, sites=addresses)
    env = worker_environment(stack, layout, context)
    return Composition(
        stack=stack,
        servers=servers,
        consumers=[create_worker("consumer-1", context.commands["consumer"], layout, env)],
        surfaces=[serving_worker("central", stack, layout, context)],
        layout=layout,
    )


def _folder(layout: Layout, name: str) -> Layout:
    return Layout.of(layout.root / name)
