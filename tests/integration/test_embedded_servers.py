"""The two real servers by themselves: killed, found again, kept to their owner."""

import asyncio
import threading
from pathlib import Path

import nats
import psycopg
import pytest

from foldline.embedded.nats import NatsServer
from foldline.embedded.postgres import PostgresServer
from runtime.problems import Problem


async def test_nats_keeps_what_it_acknowledged_over_a_kill(open_folder: Path) -> None:
    server = NatsServer(open_folder / "nats", user="u", password='with "quotes" and $dollar')
    server.start()
    try:
        for round_ in (1, 2):
            client = await nats.connect(server.url, user="u", password='with "quotes" and $dollar')
            assert client.max_payload == 8 << 20
            stream = client.jetstream()
            await stream.add_stream(name="S", subjects=["s"])
            assert (await stream.publish("s", b"x")).seq == round_
            await client.close()
            server.kill()
            server.start()
    finally:
        server.stop()


async def test_a_stranger_on_the_monitor_port_is_not_readiness(open_folder: Path) -> None:
    stranger = NatsServer(open_folder / "stranger")
    await asyncio.to_thread(stranger.start)
    try:
        server = NatsServer(open_folder / "nats", monitor_port=stranger.port)  # which greets in no HTTP
        assert not await asyncio.to_thread(server.is_ready)
    finally:
        stranger.stop()


def test_postgres_keeps_what_it_committed_over_a_kill(open_folder: Path) -> None:
    server = PostgresServer(open_folder / "postgres")
    server.start()
    try:
        with psycopg.connect(server.dsn) as connection:
            connection.execute("create table t as select 1 as x")
        held = psycopg.connect(server.dsn)  # a backend that outlives its postmaster for a moment
        server.kill()
        server.start()
        held.close()
        with psycopg.connect(server.dsn) as connection:
            assert connection.execute("select x from t").fetchone() == (1,)
            assert connection.execute("show listen_addresses").fetchone() == ("",)
    finally:
        server.stop()
    assert (open_folder / "postgres").stat().st_mode & 0o777 == 0o700


def test_a_postgres_nobody_remembers_is_ended_first(open_folder: Path) -> None:
    forgotten = PostgresServer(open_folder / "postgres", durable=False)
    thread = threading.Thread(target=forgotten.start)  # not tied to us, without a pid file
    thread.start()
    thread.join()
    server = PostgresServer(open_folder / "postgres", durable=False)
    server.start()
    try:
        assert not forgotten.running
        with psycopg.connect(server.dsn) as connection:
            connection.execute("select 1")
    finally:
        server.stop()


def test_a_lock_file_with_a_reused_number_is_no_obstacle(open_folder: Path) -> None:
    server = PostgresServer(open_folder / "postgres", durable=False)
    server.start()
    server.kill()
    lock = open_folder / "postgres" / "postmaster.pid"
    lines = lock.read_text().splitlines()
    stranger = NatsServer(open_folder / "nats", sync_always=False)
    stranger.start()
    try:
        assert stranger.process is not None
        lock.write_text("\n".join([str(stranger.process.pid), *lines[1:]]) + "\n")
        server.start()
        server.stop()
        assert stranger.running
    finally:
        stranger.stop()


def test_a_path_too_long_for_a_socket(open_folder: Path) -> None:
    server = PostgresServer(open_folder / ("long" * 25) / "postgres", durable=False)
    server.start()
    try:
        assert server.socket_dir != server.directory
        assert server.socket_dir.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(server.dsn) as connection:
            connection.execute("select 1")
    finally:
        server.stop()
        server.socket_dir.rmdir()


def test_a_cluster_of_another_release_is_refused(open_folder: Path) -> None:
    (open_folder / "postgres").mkdir()
    (open_folder / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(
        Problem, match=r"was made by PostgreSQL 17, but the programs are of 18: .*\(see FOLDLINE_POSTGRES"
    ):
        PostgresServer(open_folder / "postgres").start()
