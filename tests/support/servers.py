"""NATS and PostgreSQL servers from their wheels: two that a run shares, and others that a test may kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from tests.support.cluster import Cluster


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that PostgreSQL's user can reach, and remove it at the end.

    It is not below pytest's common folder: as root, another pytest that starts meanwhile closes that one to
    PostgreSQL's user.
    """
    with TemporaryDirectory(prefix="foldline-test-") as folder:
        yield Path(folder).resolve()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder of the test's own in which PostgreSQL can run; see `temporary_folder`."""
    with temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def shared_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """The run's NATS server. Tests that kill one take `own_nats`."""
    server = NatsServer(tmp_path_factory.mktemp("shared-nats") / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """The run's PostgreSQL. Tests that kill one take `own_postgres`."""
    with temporary_folder() as folder:
        server = PostgresServer(folder / "pg", durable=False)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A NATS server the test may kill."""
    server = NatsServer(tmp_path / "own-nats" / "nats")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_postgres(open_folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL the test may kill; it keeps what it committed."""
    server = PostgresServer(open_folder / "own-pg" / "pg")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Three NATS servers the test may kill."""
    made = Cluster(tmp_path / "cluster")
    try:
        made.start()
        yield made
    finally:
        made.stop()
