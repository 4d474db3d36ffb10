"""Generated configuration, and the programs it is for."""

from pathlib import Path

import pytest

from foldline.embedded.binaries import find_nats_server, find_postgres_bin, nats_version, postgres_version
from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from runtime.problems import Problem


def test_acknowledged_means_synced_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    assert "sync_interval: always" in NatsServer(tmp_path / "nats", 1, 2).config()
    assert "sync_interval" not in NatsServer(tmp_path / "nats", 1, 2, sync_always=False).config()


def test_nothing_in_a_value_breaks_out_of_the_configuration(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / 'a "b" $HOME', 1, 2, user="u", password='p"}\nport: 3')
    config = server.config()
    assert 'password: "p\\"}\\nport: 3"' in config
    assert config.count("\nport: ") == 1


def test_addresses_name_where_servers_listen(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", 4222, 8222, host="::")
    assert (server.url, server.monitor_url) == ("nats://[::1]:4222", "http://[::1]:8222")
    assert 'http: "[::]:8222"' in server.config()


def test_a_dsn_quotes_its_path() -> None:
    dsn = PostgresServer(Path("/srv/a b&c/postgres")).dsn
    assert dsn == "postgresql://foldline@/foldline?host=%2Fsrv%2Fa%20b%26c%2Fpostgres&port=5432"


def test_the_installed_programs_are_found() -> None:
    assert nats_version(find_nats_server(None)).startswith("2.")
    assert postgres_version(find_postgres_bin(None)).startswith("18")


def test_something_else_is_no_server(tmp_path: Path) -> None:
    program = tmp_path / "nats-server"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(
        Problem, match=r"is no nats-server: it calls itself 'hello' \(see FOLDLINE_NATS_SERVER"
    ):
        nats_version(program)
