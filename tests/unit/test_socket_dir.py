"""The directory of PostgreSQL's unix socket."""

from pathlib import Path

from foldline.embedded.socket_dir import socket_dir


def test_a_long_path_gets_a_short_socket_always_the_same() -> None:
    short, long = Path("/srv/data/postgres"), Path("/srv") / ("d" * 100) / "postgres"
    assert socket_dir(short) == short
    assert socket_dir(long) == socket_dir(long) != socket_dir(long.with_name("other"))
    assert len(str(socket_dir(long) / ".s.PGSQL.5432.lock")) <= 107
