"""Real servers from their wheels: one NATS and one PostgreSQL for the whole run, fresh data for each test."""

import itertools
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from nats.aio.client import Client
from psycopg import sql

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from line.connection import close_bus, connect_bus
from line.jetstream import request_api
from line.streams import prepare_line
from runtime.database.connections import Connection, connect
from runtime.settings import Settings
from schemas.streams import STREAMS
from tests.support.cluster import Cluster
from tests.support.engine import install_read_models
from tests.support.processes import Processes

# A shell that runs us in the background has SIGINT ignored, which our children would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

_LOGS = pytest.StashKey[list[tuple[str, str]]]()
_TEMPLATE = "template_foldline"
_numbers = itertools.count()

hypothesis_settings.register_profile(
    "shrink",
    deadline=None,  # real servers on shared machines
    suppress_health_check=[HealthCheck.too_slow],
)
# The same run for everybody, and none that shrinks for minutes: `--hypothesis-profile shrink` does that.
hypothesis_settings.register_profile(
    "foldline",
    hypothesis_settings.get_profile("shrink"),
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
hypothesis_settings.load_profile("foldline")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what a failed test's processes wrote."""
    report = yield
    processes = getattr(item, "funcargs", {}).get("processes")
    if report.failed and isinstance(processes, Processes):
        report.sections += [(f"end of the log of {name}", text) for name, text in processes.logs()]
    return report


@pytest.fixture(scope="session")
def shared_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """The run's NATS server. Tests that kill one take `own_nats`."""
    server = NatsServer(tmp_path_factory.mktemp("shared-nats") / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The run's PostgreSQL with a template database that holds empty read models."""
    server = PostgresServer(tmp_path_factory.mktemp("shared-pg") / "pg", durable=False)
    server.start()
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
    install_read_models(dsn_of(server, _TEMPLATE))
    yield server
    server.stop()


def dsn_of(server: PostgresServer, database: str) -> str:
    """The address of another database of the same server."""
    return server.dsn.replace(f"/{server.dsn.split('/')[3].split('?')[0]}?", f"/{database}?")


@pytest.fixture(scope="session")
def new_database(shared_postgres: PostgresServer) -> Any:
    """Make a database with empty read models, or with nothing at all; answers its address."""

    def make(*, bare: bool = False) -> str:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(shared_postgres.dsn, autocommit=True) as admin:
            admin.execute(
                sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier("template1" if bare else _TEMPLATE)
                )
            )
        return dsn_of(shared_postgres, name)

    return make


@pytest.fixture
def database(new_database: Any, shared_postgres: PostgresServer) -> Iterator[str]:
    """A database of the test's own with empty read models."""
    dsn = new_database()
    yield dsn
    with psycopg.connect(shared_postgres.dsn, autocommit=True) as admin:
        name = dsn.split("/")[3].split("?")[0]
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
async def settings(shared_nats: NatsServer, database: str) -> Settings:
    """A line without any fact, and an empty database, on the run's servers."""
    made = line_settings(shared_nats, database)
    nc = await connect_bus(made, name="test-reset")
    for stream in STREAMS:
        await request_api(nc, f"STREAM.DELETE.{stream.name}")
    await prepare_line(nc, made)
    await close_bus(nc)
    return made


def line_settings(nats: NatsServer, dsn: str, **changes: Any) -> Settings:
    """Settings for processes of a test: short leases, so that take-overs do not take long."""
    return Settings(
        _env_file=None,
        **{
            "nats_url": nats.url,
            "nats_monitor_url": nats.monitor_url,
            "database_url": dsn,
            "jobs_port": 0,
            "daemon_port": 0,
            "lease_ttl": 2.0,
            "connect_timeout": 30.0,
            "log_level": "info",
            **changes,
        },
    )


@pytest.fixture
async def nc(settings: Settings) -> AsyncIterator[Client]:
    """A plain connection to the test's line."""
    client = await connect_bus(settings, name="test")
    yield client
    await close_bus(client)


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Connection]:
    """A connection to the test's database."""
    async with await connect(settings, name="test") as connection:
        yield connection


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three NATS servers the test may kill."""
    made = Cluster(tmp_path / "cluster")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server the test may kill."""
    server = NatsServer(tmp_path / "own-nats" / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL the test may kill; it keeps what it committed."""
    server = PostgresServer(tmp_path / "own-pg" / "pg")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts consumers and APIs; whatever still runs at the end is killed."""
    started = Processes(tmp_path)
    yield started
    started.end()
