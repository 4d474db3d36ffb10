"""The program as a child that is forked instead of started: it finds everything imported.

To import an API or a consumer takes a second of a processor, and the tests run three hundred of them. A
forked child is a process like any other: it has a session, an environment and a folder of its own, it is
signalled and killed, and ends with an exit code. That the program starts is tested where it is really
started: in `test_api_process` and `test_cli`, and by `foldline up`, which starts its parts itself.
"""

import atexit
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_PRELOADED: Final = "tests.support.preloaded"
_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload([_PRELOADED])


class ForkedProgram:
    """One run of `python -m foldline …`; the methods are those of `subprocess.Popen`."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None,
        stdin: Path | None = None,
        stdout: Path,
        stderr: Path | None = None,
    ) -> None:
        files = (str(stdin or os.devnull), str(stdout), str(stderr or stdout))
        run = (tuple(arguments), dict(env), str(cwd or Path.cwd()), files)
        self._process = _server.Process(target=_run, args=run, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: Final[int] = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("foldline", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self._process.exitcode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def run_forked(
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    given: bytes = b"",
    timeout: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m foldline …` to its end and return what it printed. Raises subprocess.TimeoutExpired."""
    with TemporaryDirectory() as folder:
        stdin, stdout, stderr = (Path(folder, name) for name in ("stdin", "stdout", "stderr"))
        stdin.write_bytes(given)
        program = ForkedProgram(arguments, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            code = program.wait(timeout)
        finally:
            program.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(arguments, code, stdout.read_bytes(), stderr.read_bytes())


def _run(arguments: tuple[str, ...], env: dict[str, str], cwd: str, files: tuple[str, str, str]) -> None:
    """Become `python -m foldline` in the child."""
    assert _PRELOADED in sys.modules, "the server could not import what it is for"
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    modes = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)
    for number, (name, mode) in enumerate(zip(files, modes, strict=True)):
        opened = os.open(name, mode, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - as long as the process
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv[1:] = arguments
    try:
        runpy.run_module("foldline", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
