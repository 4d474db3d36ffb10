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
from foldline.up_context import UpContext
from runtime.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The services of one site or centre, not started yet, and the addresses they will have."""

    stack: Stack
    servers: list[Service]
    consumers: list[Service]
    surfaces: list[Service]
    layout: Layout


def compose_site(
    settings: Settings, layout: Layout, context: UpContext, federation: Federation | None = None
) -> Composition:
    """Choose programs and ports of a site and wire its services. Raises Problem."""
    api_port, jobs_port, sidecar_port, daemon_port = (
        claim_port(settings.host, port, what=what, setting=setting, taken=context.taken)
        for port, what, setting in (
            (settings.api_port, "the API", "FOLDLINE_API_PORT"),
            (settings.jobs_port, "the jobs API", "FOLDLINE_JOBS_PORT"),
            (settings.sidecar_port, "the sidecar", "FOLDLINE_SIDECAR_PORT"),
            (settings.daemon_port, "the session daemon", "FOLDLINE_DAEMON_PORT"),
        )
    )
    stack, servers = compose_servers(
        settings,
        layout,
        context,
        federation,
        api_port=api_port,
        jobs_port=jobs_port,
        sidecar_port=sidecar_port,
        daemon_port=daemon_port,
        **({"site": settings.site, "own_site_only": True} if federation else {}),
    )
    env = worker_environment(stack, layout, context)
    commands = context.commands
    return Composition(
        stack=stack,
        servers=servers,
        consumers=[
            create_worker(f"consumer-{n + 1}", commands.consumer, layout, env | _metrics_port(settings, n))
            for n in range(settings.consumers)
        ],
        surfaces=[
            create_worker("api", commands.api, layout, env, ready_url=f"{stack.api_url}/ready"),
            create_worker(
                "sidecar", commands.sidecar, layout, env, ready_url=f"{stack.sidecar_url}/v1/healthz"
            ),
        ],
        layout=layout,
    )


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


def _metrics_port(settings: Settings, index: int) -> dict[str, str]:
    """The metrics port of a consumer, counted up from the configured one; none when that is 0."""
    port = settings.metrics_port
    return {"FOLDLINE_METRICS_PORT": str(port + index)} if port else {}
