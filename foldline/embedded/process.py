"""A child process: its log, its pid file, and its end when its parent ends."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from foldline.embedded.pidfile import write_pid_file
from foldline.embedded.system_user import SystemUser
from runtime.problems import Problem

LOG_LIMIT = 10 << 20
_PR_SET_PDEATHSIG = 1
# Loaded before any fork: the child may not load libraries between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Process:
    """A program run as a child of this process, in a session of its own so that Ctrl-C reaches only us.

    On Linux the child gets `orphan_signal` when this process dies. The kernel ties that to the *thread* that
    spawned it, so it is asked for on the main thread only. `spawn` may be called again after an end.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        log: Path,
        pid_file: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: SystemUser | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        orphan_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.log = log
        self.pid_file = pid_file
        self.stop_signal = stop_signal
        self._orphan_signal = orphan_signal
        self._env = env
        self._cwd = cwd
        self._user = user
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The child's pid while it runs."""
        return self._popen.pid if self._popen is not None and self.running else None

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the child runs, and before its start."""
        return None if self._popen is None else self._popen.poll()

    def spawn(self) -> None:
        """Start the program without waiting for it. Raises Problem if it cannot be executed."""
        _rotate(self.log)
        with self.log.open("ab") as output:
            try:
                self._popen = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                    preexec_fn=tie_to_parent(self._orphan_signal),  # noqa: PLW1509 - one foreign call
                    user=self._user.uid if self._user else None,
                    group=self._user.gid if self._user else None,
                    extra_groups=[] if self._user else None,
                )
            except OSError as exc:
                raise Problem(f"cannot run {self.argv[0]}: {exc.strerror or exc}") from exc
        if self.pid_file is not None:
            write_pid_file(self.pid_file, self._popen.pid, self.argv, self.stop_signal)

    def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end; answers whether it has ended."""
        if self._popen is None:
            return True
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        if self._popen is not None:
            self._popen.send_signal(number)

    def stop(self, timeout: float) -> None:
        """Ask it to end, wait `timeout` seconds, then kill it."""
        self.send(self.stop_signal)
        if not self.wait(timeout):
            self.kill()
        self.forget()

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()

    def forget(self) -> None:
        """Remove the pid file of a child that has ended."""
        if self.pid_file is not None:
            self.pid_file.unlink(missing_ok=True)

    def last_lines(self, count: int = 8) -> tuple[str, ...]:
        """The last lines of its log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 8192))
                return tuple(file.read().decode(errors="replace").splitlines()[-count:])
        except OSError:
            return ()


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(log.name + ".1"))


def tie_to_parent(number: signal.Signals) -> Callable[[], None] | None:
    """A function for the child, between fork and exec: the kernel sends it `number` when its parent dies.

    It runs after setuid, which would clear the request.
    """
    if _libc is None or threading.current_thread() is not threading.main_thread():
        return None
    libc, parent = _libc, os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))
        if os.getppid() != parent:  # the parent died before the request
            os._exit(1)

    return ask
