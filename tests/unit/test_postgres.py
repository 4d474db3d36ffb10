"""The address of the embedded PostgreSQL."""

from pathlib import Path

from foldline.embedded.postgres import PostgresServer


def test_a_dsn_quotes_its_path() -> None:
    dsn = PostgresServer(Path("/srv/a b&c/postgres")).dsn
    assert dsn == "postgresql://foldline@/foldline?host=%2Fsrv%2Fa%20b%26c%2Fpostgres&port=5432"
