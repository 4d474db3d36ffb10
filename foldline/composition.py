"""The composition of a site: ports are chosen, and each part is told the addresses of the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from foldline.embedded.layout import Layout
from foldline.embedded.nats import Federation
from foldline.embedded.ports import claim_port
from foldline.embedded.running_stack import Stack
from foldline.embedded.service import Service
from foldline.embedded.worker import Worker
from foldline.servers import compose_servers
from foldline.settings import port_of
from foldline.surfaces import SITE_SURFACES, ProcessName, Surface, surfaces_of, surfaces_with_ports
from foldline.up_context import UpContext
from runtime.settings.base import variable
from runtime.settings.processes import UpSettings


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The services of one site or centre, not started yet, and the addresses they will have."""

    stack: Stack
    servers: list[Service]
    consumers: list[Service]
    surfaces: list[Service]
    layout: Layout


def compose_site(
    settings: UpSettings, layout: Layout, context: UpContext, federation: Federation | None = None
) -> Composition:
    """Choose programs and ports of a site and wire its services. Raises Problem."""
    stack, servers = compose_servers(
        settings,
        layout,
        context,
        federation,
        ports=claim_ports(settings, SITE_SURFACES, context),
        **({"site": settings.site, "own_site_only": True} if federation else {}),
    )
    env = worker_environment(stack, layout, context)
    return Composition(
        stack=stack,
        servers=servers,
        consumers=[
            create_worker(
                f"consumer-{n + 1}", context.commands["consumer"], layout, env | _metrics_port(settings, n)
            )
            for n in range(settings.consumers)
        ],
        surfaces=[serving_worker(name, stack, layout, context) for name in ("api", "sidecar")],
        layout=layout,
    )


def claim_ports(settings: UpSettings, surfaces: Sequence[Surface], context: UpContext) -> dict[str, int]:
    """Return a port for each surface that has one of its own, by name. Raises Problem."""
    return {
        surface.name: claim_port(
            settings.host,
            port_of(settings, surface),
            what=surface.about,
            setting=variable(surface.port_setting),
            taken=context.taken,
        )
        for surface in surfaces_with_ports(surfaces)
    }


def serving_worker(name: ProcessName, stack: Stack, layout: Layout, context: UpContext) -> Worker:
    """Create a process that serves surfaces; it is ready when the first of them says so."""
    first = surfaces_of(name)[0]
    env = worker_environment(stack, layout, context)
    ready_url = f"{stack.url(first)}{first.health}"
    return create_worker(name, context.commands[name], layout, env, ready_url)


def worker_environment(stack: Stack, layout: Layout, context: UpContext) -> dict[str, str]:
    """The variables that tell a worker the addresses of all other parts."""
    return {**context.overrides, **stack.environment(), "FOLDLINE_DATA_DIR": str(layout.root)}


def create_worker(
    name: str, arguments: Sequence[str], layout: Layout, env: Mapping[str, str], ready_url: str | None = None
) -> Worker:
    """Create one of our own processes, not started yet."""
    return Worker(
        name, arguments, env=env, log=layout.log(name), pid_file=layout.pid(name), ready_url=ready_url
    )


def _metrics_port(settings: UpSettings, index: int) -> dict[str, str]:
    """The metrics port of a consumer, counted up from the configured one; none when that is 0."""
    port = settings.metrics_port
    return {"FOLDLINE_METRICS_PORT": str(port + index)} if port else {}
