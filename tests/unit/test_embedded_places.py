"""Where things are: ports, sockets, the lock, the written stack."""

import os
import socket
import stat
from pathlib import Path

import pytest

from foldline.embedded.layout import Layout
from foldline.embedded.lock import DirectoryLock, is_held
from foldline.embedded.ports import claim_port, is_free, pick_port, reachable_host
from foldline.embedded.socket_dir import socket_dir
from foldline.embedded.stack import Stack, load_stack, resolve
from foldline.embedded.system_user import open_way
from runtime.problems import Problem
from runtime.settings import Settings


def test_ports_are_free_distinct_and_below_those_of_clients() -> None:
    taken: set[int] = set()
    ports = [pick_port("127.0.0.1", taken) for _ in range(20)]
    assert len(set(ports)) == 20
    assert taken == set(ports)
    assert all(20_000 <= port < 32_000 for port in ports)


def test_a_port_is_not_picked_twice_before_its_server_listens() -> None:
    ports = [pick_port("127.0.0.1") for _ in range(300)]
    assert len(set(ports)) == 300


def test_a_taken_port_names_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(Problem, match=rf"port {port} for NATS is taken .*see FOLDLINE_NATS_PORT"):
            claim_port("127.0.0.1", port, what="NATS", setting="FOLDLINE_NATS_PORT", taken=set())


def test_one_port_cannot_serve_two() -> None:
    taken: set[int] = set()
    port = pick_port("127.0.0.1", taken)
    with pytest.raises(Problem, match="and for something else"):
        claim_port("127.0.0.1", port, what="NATS", setting="FOLDLINE_NATS_PORT", taken=taken)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_ours_is_a_problem(host: str) -> None:
    with pytest.raises(Problem, match="FOLDLINE_HOST"):
        is_free(host, 0)


@pytest.mark.parametrize(
    ("listens", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("10.0.0.5", "10.0.0.5")],
)
def test_where_a_listening_server_is_reached(listens: str, reached: str) -> None:
    assert reachable_host(listens) == reached


def test_a_long_path_gets_a_short_socket_always_the_same() -> None:
    short, long = Path("/srv/data/postgres"), Path("/srv") / ("d" * 100) / "postgres"
    assert socket_dir(short) == short
    assert socket_dir(long) == socket_dir(long) != socket_dir(long.with_name("other"))
    assert len(str(socket_dir(long) / ".s.PGSQL.5432.lock")) <= 107


def test_the_lock_is_seen_while_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    path.parent.mkdir()
    assert not is_held(path)
    with DirectoryLock(path):
        assert is_held(path)
        with (
            pytest.raises(Problem, match=rf"already up in {tmp_path} \(pid {os.getpid()}\)"),
            DirectoryLock(path),
        ):
            pass
    assert not is_held(path)
    with DirectoryLock(path):
        assert path.read_text() == str(os.getpid())


def a_stack() -> Stack:
    return Stack(
        nats_url="nats://127.0.0.1:1",
        nats_monitor_url=None,
        database_url="postgresql://x",
        host="0.0.0.0",
        api_port=9,
        jobs_port=8,
        sidecar_port=7,
        daemon_port=6,
    )


def test_a_stack_counts_only_while_its_lock_is_held(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.create()
    with DirectoryLock(layout.lock):
        assert load_stack(tmp_path) is None
        a_stack().save(layout.stack)
        assert load_stack(tmp_path) == a_stack()
        assert stat.S_IMODE(layout.stack.stat().st_mode) == 0o600
    assert load_stack(tmp_path) is None


def test_what_is_set_stays_and_the_rest_comes_from_the_stack(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.create()
    with DirectoryLock(layout.lock):
        a_stack().save(layout.stack)
        resolved = resolve(Settings(data_dir=tmp_path, nats_url="nats://elsewhere:4222"))
    assert resolved.nats_url == "nats://elsewhere:4222"
    assert resolved.database_url == "postgresql://x"
    assert resolved.api_port == 9


def test_without_a_stack_a_database_must_be_named(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "none")
    with pytest.raises(Problem, match="start `foldline up` or set FOLDLINE_DATABASE_URL"):
        resolve(settings)
    assert resolve(settings, database=False) == settings


def test_children_are_told_every_address() -> None:
    assert a_stack().environment() == {
        "FOLDLINE_NATS_URL": "nats://127.0.0.1:1",
        "FOLDLINE_DATABASE_URL": "postgresql://x",
        "FOLDLINE_HOST": "0.0.0.0",
        "FOLDLINE_API_PORT": "9",
        "FOLDLINE_JOBS_PORT": "8",
        "FOLDLINE_SIDECAR_PORT": "7",
        "FOLDLINE_DAEMON_PORT": "6",
    }
    assert a_stack().api_url == "http://127.0.0.1:9"


def test_the_way_is_opened_for_passing_not_for_looking(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    open_way(closed / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
