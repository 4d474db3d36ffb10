"""`foldline up --sites`: several sites and their centre on one machine, each with a line of its own."""

import re
from collections.abc import Sequence
from typing import Final

from foldline.composition import Composition, compose_site, create_worker, worker_environment
from foldline.embedded.layout import Layout
from foldline.embedded.nats import Federation
from foldline.embedded.ports import claim_port, pick_port
from foldline.servers import compose_servers
from foldline.up_context import UpContext
from runtime.problems import Problem
from runtime.settings import Settings

CENTRE: Final = "centre"
_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PORTS: Final = ("api_port", "jobs_port", "sidecar_port", "daemon_port", "nats_port", "nats_monitor_port")


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
    settings: Settings, layout: Layout, sites: Sequence[str], context: UpContext
) -> list[Composition]:
    """Compose the centre and every site, each in a folder of its own, the centre first. Raises Problem.

    The first site has the configured ports plus 1, the second plus 2, and so on.
    """
    hub_port = pick_port(settings.host, context.taken)
    members = []
    for number, site in enumerate(sites, 1):
        ports = {name: port + number if (port := getattr(settings, name)) else 0 for name in _PORTS}
        own = settings.model_copy(update={"site": site, "own_site_only": True, **ports})
        members.append(compose_site(own, _folder(layout, site), context, Federation(site, hub_port)))
    addresses = ",".join(f"{site}={one.stack.jobs_url}" for site, one in zip(sites, members, strict=True))
    hub = Federation("hub", hub_port, is_hub=True)
    return [_compose_centre(settings, _folder(layout, CENTRE), context, hub, addresses), *members]


def _compose_centre(
    settings: Settings, layout: Layout, context: UpContext, hub: Federation, addresses: str
) -> Composition:
    port = claim_port(
        settings.host,
        settings.central_port,
        what="the central API",
        setting="FOLDLINE_CENTRAL_PORT",
        taken=context.taken,
    )
    own = settings.model_copy(update={"site": CENTRE, "sites": addresses})
    stack, servers = compose_servers(
        own, layout, context, hub, central_port=port, site=CENTRE, sites=addresses
    )
    env = worker_environment(stack, layout, context)
    ready_url = f"{stack.central_url}/v1/healthz"
    return Composition(
        stack=stack,
        servers=servers,
        consumers=[create_worker("consumer-1", context.commands.consumer, layout, env)],
        surfaces=[create_worker("central", context.commands.central, layout, env, ready_url=ready_url)],
        layout=layout,
    )


def _folder(layout: Layout, name: str) -> Layout:
    return Layout.of(layout.root / name)
