"""`foldline up --sites`: several sites and their centre on one machine, each with a line of its own."""

import re
from collections.abc import Sequence

from foldline.composition import Parts, Wishes, compose, environment, servers_of, worker
from foldline.embedded.layout import Layout
from foldline.embedded.nats import Federation
from foldline.embedded.ports import claim_port, pick_port
from runtime.problems import Problem
from runtime.settings import Settings

CENTRE = "centre"
_SITE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PORTS = ("api_port", "jobs_port", "sidecar_port", "daemon_port", "nats_port", "nats_monitor_port")


def site_names(text: str) -> list[str]:
    """The sites of `--sites fab1,fab2`. Raises Problem."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    if not names or len(set(names)) < len(names):
        raise Problem("--sites takes different names, comma-separated: fab1,fab2")
    for name in names:
        if not _SITE.fullmatch(name) or name == CENTRE:
            raise Problem(f"{name[:80]!r} is no name for a site: A-Z a-z 0-9 _ - are allowed, not {CENTRE!r}")
    return names


def compose_sites(settings: Settings, layout: Layout, sites: Sequence[str], wishes: Wishes) -> list[Parts]:
    """The centre and every site, each in a folder of its own. Site i has the usual ports plus i, from 1.

    Raises Problem.
    """
    hub_port = pick_port(settings.host, wishes.taken)
    members = []
    for number, site in enumerate(sites, 1):
        ports = {name: port + number if (port := getattr(settings, name)) else 0 for name in _PORTS}
        own = settings.model_copy(update={"site": site, "own_site_only": True, **ports})
        members.append(compose(own, _below(layout, site), wishes, Federation(site, hub_port)))
    addresses = ",".join(f"{site}={parts.stack.jobs_url}" for site, parts in zip(sites, members, strict=True))
    hub = Federation("hub", hub_port, is_hub=True)
    return [_centre(settings, _below(layout, CENTRE), wishes, hub, addresses), *members]


def _centre(settings: Settings, layout: Layout, wishes: Wishes, hub: Federation, addresses: str) -> Parts:
    port = claim_port(
        settings.host,
        settings.central_port,
        what="the central API",
        setting="FOLDLINE_CENTRAL_PORT",
        taken=wishes.taken,
    )
    own = settings.model_copy(update={"site": CENTRE, "sites": addresses})
    stack, servers = servers_of(own, layout, wishes, hub, central_port=port, site=CENTRE, sites=addresses)
    env = environment(stack, layout, wishes)
    ready_url = f"{stack.central_url}/v1/healthz"
    return Parts(
        stack=stack,
        servers=servers,
        consumers=[worker("consumer-1", wishes.commands.consumer, layout, env)],
        surfaces=[worker("central", wishes.commands.central, layout, env, ready_url=ready_url)],
        layout=layout,
    )


def _below(layout: Layout, name: str) -> Layout:
    return Layout.of(layout.root / name)
