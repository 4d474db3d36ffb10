"""The embedded PostgreSQL, in one directory, reached through a unix socket only."""

import os
import signal
from pathlib import Path
from urllib.parse import quote

import psycopg

from foldline.embedded.binaries import find_postgres_bin
from foldline.embedded.cluster import ensure_cluster, postgres_environment
from foldline.embedded.postgres_leftovers import clear_leftovers
from foldline.embedded.process import Process
from foldline.embedded.service import Service
from foldline.embedded.socket_dir import SOCKET_PORT, socket_dir
from foldline.embedded.system_user import SystemUser, make_reachable, make_readable, unprivileged_user
from runtime.problems import Problem

DATABASE = USER = "foldline"
_SETTINGS = {
    "listen_addresses": "",
    "port": SOCKET_PORT,
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "log_checkpoints": "off",
    "jit": "off",  # the API's statements are short: compiling them costs more than it saves
}
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer(Service):
    """A real PostgreSQL with a database `foldline`, open to its owner (and root) only.

    `directory` is the cluster's data directory, made by the first start. `durable` off is for tests that may
    lose it. `bin_dir` holds `postgres` and `initdb`. As root the server runs as an unprivileged system user.
    """

    name = "postgres"
    stop_timeout = 20.0
    hurry_signal = signal.SIGQUIT  # immediate shutdown: recovers from its log at the next start

    def __init__(
        self,
        directory: Path,
        *,
        durable: bool = True,
        bin_dir: Path | None = None,
        log: Path | None = None,
        pid_file: Path | None = None,
    ) -> None:
        self.directory = directory.resolve()
        super().__init__(log or self.directory.with_name(f"{self.directory.name}.log"))
        self.durable = durable
        self.bin_dir = bin_dir
        self.pid_file = pid_file
        self.socket_dir = socket_dir(self.directory)
        self._has_database = False

    @property
    def dsn(self) -> str:
        """The address for libpq and psycopg; it names everything, so that no PG* variable changes it."""
        return self._dsn(DATABASE)

    def _dsn(self, database: str) -> str:
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{USER}@/{database}?host={host}&port={SOCKET_PORT}"

    def spawn(self) -> None:
        programs = find_postgres_bin(self.bin_dir)
        user = unprivileged_user()
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        if user is not None:
            make_reachable(self.directory)
            if self.bin_dir is None:
                make_reachable(programs)
                make_readable(programs.parent)
        ensure_cluster(self.directory, programs=programs, superuser=USER, user=user, durable=self.durable)
        clear_leftovers(self.directory, self.socket_dir)
        settings = _SETTINGS | {"unix_socket_directories": str(self.socket_dir)}
        if not self.durable:
            settings |= _NOT_DURABLE
        if self.socket_dir != self.directory:
            self._make_socket_dir(user)
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        self.process = Process(
            self.name,
            [str(programs / "postgres"), "-D", str(self.directory), *options],
            log=self.log,
            pid_file=self.pid_file,
            env=postgres_environment(),
            cwd=self.directory,
            user=user,
            stop_signal=signal.SIGINT,  # fast shutdown: sessions are ended, nothing is lost
            orphan_signal=signal.SIGINT,
        )
        self.process.spawn()

    def is_ready(self) -> bool:
        if not (self.socket_dir / f".s.PGSQL.{SOCKET_PORT}").exists():
            return False
        try:
            if not self._has_database:
                self._create_database()
            with psycopg.connect(self.dsn, connect_timeout=2) as connection:
                connection.execute("select 1")
        except psycopg.OperationalError:  # starting up, recovering, or going down
            return False
        return True

    def _create_database(self) -> None:
        with psycopg.connect(self._dsn("postgres"), connect_timeout=2, autocommit=True) as connection:
            known = connection.execute("select 1 from pg_database where datname = %s", (DATABASE,)).fetchone()
            if known is None:
                connection.execute(f"create database {DATABASE}")
        self._has_database = True

    def _make_socket_dir(self, user: SystemUser | None) -> None:
        self.socket_dir.mkdir(mode=0o700, exist_ok=True)
        state = self.socket_dir.lstat()
        owner = user.uid if user else os.geteuid()
        # The name can be guessed: somebody else's directory of that name must not get our socket.
        if self.socket_dir.is_symlink() or state.st_uid not in (owner, os.geteuid()):
            raise Problem(
                f"{self.socket_dir}, for PostgreSQL's socket, belongs to another user: remove it,"
                " or use a data directory with a shorter path",
                "FOLDLINE_DATA_DIR",
            )
        self.socket_dir.chmod(0o700)
        if user is not None:
            user.own(self.socket_dir)
