"""The servers of a composition: NATS and PostgreSQL, embedded or external, and their addresses."""

from typing import Any

from foldline.embedded.binaries import find_nats_server, find_postgres_bin, nats_version, postgres_version
from foldline.embedded.layout import Layout
from foldline.embedded.nats import Federation, NatsServer
from foldline.embedded.ports import claim_port
from foldline.embedded.postgres import PostgresServer
from foldline.embedded.running_stack import Stack
from foldline.embedded.service import Service
from foldline.up_context import Say, UpContext
from runtime.problems import Problem
from runtime.settings.processes import UpSettings


def compose_servers(
    settings: UpSettings, layout: Layout, context: UpContext, federation: Federation | None, **addresses: Any
) -> tuple[Stack, list[Service]]:
    """The stack of a site or a centre, with further `addresses`, and the servers to start. Raises Problem."""
    servers: list[Service] = []
    nats_url, monitor_url = settings.nats_url, settings.nats_monitor_url
    if not settings.external_nats:
        nats = _nats(settings, layout, context, federation)
        servers.append(nats)
        nats_url, monitor_url = nats.url, nats.monitor_url
    database_url = settings.database_url
    if not settings.external_postgres:
        postgres = _postgres(settings, layout, context.say)
        servers.append(postgres)
        database_url = postgres.dsn
    if database_url is None:
        raise Problem(
            "FOLDLINE_EXTERNAL_POSTGRES is set, so the address of the server to use is needed",
            "FOLDLINE_DATABASE_URL",
        )
    stack = Stack(
        nats_url=nats_url,
        nats_monitor_url=monitor_url,
        database_url=database_url,
        host=settings.host,
        **addresses,
    )
    return stack, servers


def _nats(
    settings: UpSettings, layout: Layout, context: UpContext, federation: Federation | None
) -> NatsServer:
    binary = find_nats_server(settings.nats_server)
    version = nats_version(binary)
    if "nats_url" in settings.model_fields_set:
        context.say(
            "FOLDLINE_NATS_URL is ignored, since an own NATS is started; FOLDLINE_EXTERNAL_NATS=true uses it"
        )
    ports = [
        claim_port(settings.host, port, what=what, setting=setting, taken=context.taken)
        for port, what, setting in (
            (settings.nats_port, "NATS", "FOLDLINE_NATS_PORT"),
            (settings.nats_monitor_port, "NATS monitoring", "FOLDLINE_NATS_MONITOR_PORT"),
        )
    ]
    context.say(f"starting nats-server {version}")
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


def _postgres(settings: UpSettings, layout: Layout, say: Say) -> PostgresServer:
    version = postgres_version(find_postgres_bin(settings.postgres_bin))
    if "database_url" in settings.model_fields_set:
        say(
            "FOLDLINE_DATABASE_URL is ignored, since an own PostgreSQL is started;"
            " FOLDLINE_EXTERNAL_POSTGRES=true uses it"
        )
    say(f"starting PostgreSQL {version} in {layout.postgres}")
    return PostgresServer(
        layout.postgres,
        bin_dir=settings.postgres_bin,
        log=layout.log("postgres"),
        pid_file=layout.pid("postgres"),
    )
