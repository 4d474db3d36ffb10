"""Databases on the run's PostgreSQL, copied from a template that holds empty read models."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from foldline.embedded.postgres import PostgresServer
from tests.support.engine import install_read_models

_TEMPLATE = "template_foldline"
_numbers = itertools.count()


def address_of(server: PostgresServer, database: str) -> str:
    """Return the address of another database of the same server."""
    return urlsplit(server.dsn)._replace(path=f"/{database}").geturl()


def _name_of(address: str) -> str:
    return urlsplit(address).path.removeprefix("/")


@pytest.fixture(scope="session")
def new_database(shared_postgres: PostgresServer) -> Callable[..., str]:
    """A function that makes a database with empty read models, or a `bare` one, and returns its address."""
    with psycopg.connect(shared_postgres.dsn, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
    install_read_models(address_of(shared_postgres, _TEMPLATE))

    def make(*, bare: bool = False) -> str:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(shared_postgres.dsn, autocommit=True) as admin:
            admin.execute(  # a server that does not sync copies files in a third of the time of logging them
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier("template1" if bare else _TEMPLATE)
                )
            )
        return address_of(shared_postgres, name)

    return make


@contextmanager
def _dropped_at_the_end(server: PostgresServer, address: str) -> Iterator[str]:
    yield address
    with psycopg.connect(server.dsn, autocommit=True) as admin:
        name = sql.Identifier(_name_of(address))
        admin.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def database(new_database: Callable[..., str], shared_postgres: PostgresServer) -> Iterator[str]:
    """The address of a database of the test's own with empty read models."""
    with _dropped_at_the_end(shared_postgres, new_database()) as address:
        yield address


@pytest.fixture(scope="module")
def module_database(new_database: Callable[..., str], shared_postgres: PostgresServer) -> Iterator[str]:
    """The address of a database with read models that the tests of one module share."""
    with _dropped_at_the_end(shared_postgres, new_database()) as address:
        yield address
