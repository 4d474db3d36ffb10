"""What `foldline up` consists of: programs, ports and addresses chosen, every part told about the others."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from foldline.embedded.binaries import find_nats_server, find_postgres_bin, nats_version, postgres_version
from foldline.embedded.layout import Layout
from foldline.embedded.nats import Federation, NatsServer
from foldline.embedded.ports import claim_port
from foldline.embedded.postgres import PostgresServer
from foldline.embedded.service import Service
from foldline.embedded.stack import Stack
from foldline.embedded.worker import Worker
from runtime.problems import Problem
from runtime.settings import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What is run as workers, as arguments of this Python; tests put stand-ins here."""

    api: Sequence[str] = ("-m", "foldline", "api")
    consumer: Sequence[str] = ("-m", "foldline", "consumer")
    sidecar: Sequence[str] = ("-m", "foldline", "sidecar")
    central: Sequence[str] = ("-m", "foldline", "central")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The services of one `foldline up`, and the addresses they will have."""

    stack: Stack
    servers: list[Service]
    consumers: list[Service]
    surfaces: list[Service]
    layout: Layout


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What all parts are made with: variables on top of our own environment, and where to tell what is done.

    `taken` are ports that are promised to another part.
    """

    overrides: Mapping[str, str]
    say: Say
    commands: Commands
    taken: set[int] = field(default_factory=set)


def compose(
    settings: Settings, layout: Layout, wishes: Wishes, federation: Federation | None = None
) -> Parts:
    """Choose programs and ports of a site and wire the parts; nothing is started. Raises Problem."""
    taken = wishes.taken
    api_port, jobs_port, sidecar_port, daemon_port = (
        claim_port(settings.host, port, what=what, setting=setting, taken=taken)
        for port, what, setting in (
            (settings.api_port, "the API", "FOLDLINE_API_PORT"),
            (settings.jobs_port, "the jobs API", "FOLDLINE_JOBS_PORT"),
            (settings.sidecar_port, "the sidecar", "FOLDLINE_SIDECAR_PORT"),
            (settings.daemon_port, "the session daemon", "FOLDLINE_DAEMON_PORT"),
        )
    )
    stack, servers = servers_of(
        settings,
        layout,
        wishes,
        federation,
        api_port=api_port,
        jobs_port=jobs_port,
        sidecar_port=sidecar_port,
        daemon_port=daemon_port,
        **({"site": settings.site, "own_site_only": True} if federation else {}),
    )
    env = environment(stack, layout, wishes)
    commands = wishes.commands
    return Parts(
        stack=stack,
        servers=servers,
        consumers=[
            worker(f"consumer-{n + 1}", commands.consumer, layout, env | _metrics(settings, n))
            for n in range(settings.consumers)
        ],
        surfaces=[
            worker("api", commands.api, layout, env, ready_url=f"{stack.api_url}/ready"),
            worker("sidecar", commands.sidecar, layout, env, ready_url=f"{stack.sidecar_url}/v1/healthz"),
        ],
        layout=layout,
    )


def servers_of(
    settings: Settings, layout: Layout, wishes: Wishes, federation: Federation | None, **addresses: Any
) -> tuple[Stack, list[Service]]:
    """NATS and PostgreSQL of a site or a centre, and the stack with these and further `addresses`."""
    servers: list[Service] = []
    nats_url, monitor_url = settings.nats_url, settings.nats_monitor_url
    if not settings.external_nats:
        nats = _nats(settings, layout, wishes, federation)
        servers.append(nats)
        nats_url, monitor_url = nats.url, nats.monitor_url
    database_url = settings.database_url
    if not settings.external_postgres:
        postgres = _postgres(settings, layout, wishes.say)
        servers.append(postgres)
        database_url = postgres.dsn
    if database_url is None:
        raise Problem("external_postgres needs the address of the server to use", "FOLDLINE_DATABASE_URL")
    stack = Stack(
        nats_url=nats_url,
        nats_monitor_url=monitor_url,
        database_url=database_url,
        host=settings.host,
        **addresses,
    )
    return stack, servers


def environment(stack: Stack, layout: Layout, wishes: Wishes) -> dict[str, str]:
    """What tells a worker about the others."""
    return {**wishes.overrides, **stack.environment(), "FOLDLINE_DATA_DIR": str(layout.root)}


def _nats(settings: Settings, layout: Layout, wishes: Wishes, federation: Federation | None) -> NatsServer:
    binary = find_nats_server(settings.nats_server)
    version = nats_version(binary)
    if "nats_url" in settings.model_fields_set:
        wishes.say("FOLDLINE_NATS_URL is not used: FOLDLINE_EXTERNAL_NATS=true would")
    ports = [
        claim_port(settings.host, port, what=what, setting=setting, taken=wishes.taken)
        for port, what, setting in (
            (settings.nats_port, "NATS", "FOLDLINE_NATS_PORT"),
            (settings.nats_monitor_port, "NATS monitoring", "FOLDLINE_NATS_MONITOR_PORT"),
        )
    ]
    wishes.say(f"starting nats-server {version}")
    return NatsServer(
        layout.nats,
        *ports,
        host=settings.host,
        server_name=f"foldline-{settings.site}",
        federation=federation,
        user=settings.nats_user,
        password=settings.nats_password,
        binary=str(binary),
        log=layout.log("nats"),
        pid_file=layout.pid("nats"),
    )


def _postgres(settings: Settings, layout: Layout, say: Say) -> PostgresServer:
    version = postgres_version(find_postgres_bin(settings.postgres_bin))
    if "database_url" in settings.model_fields_set:
        say("FOLDLINE_DATABASE_URL is not used: FOLDLINE_EXTERNAL_POSTGRES=true would")
    say(f"starting PostgreSQL {version} in {layout.postgres}")
    return PostgresServer(
        layout.postgres,
        bin_dir=settings.postgres_bin,
        log=layout.log("postgres"),
        pid_file=layout.pid("postgres"),
    )


def worker(
    name: str, arguments: Sequence[str], layout: Layout, env: Mapping[str, str], ready_url: str | None = None
) -> Worker:
    """One of our own processes."""
    return Worker(
        name, arguments, env=env, log=layout.log(name), pid_file=layout.pid(name), ready_url=ready_url
    )


def _metrics(settings: Settings, index: int) -> dict[str, str]:
    """Each consumer its own port, counted up from the configured one."""
    port = settings.metrics_port
    return {"FOLDLINE_METRICS_PORT": str(port + index)} if port else {}
