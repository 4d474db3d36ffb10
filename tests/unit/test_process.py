"""Children: found again by their pid file, ended with their parent, logged within bounds."""

import json
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from foldline.embedded import process as process_module
from foldline.embedded.pidfile import end_leftovers, find_leftover
from foldline.embedded.process import Process
from runtime.problems import Problem

WAIT = [sys.executable, "-c", "import signal; signal.pause()"]


def spawn_unbound(process: Process) -> None:
    """From a thread, so that it is not tied to us: what an earlier supervisor may have left."""
    thread = threading.Thread(target=process.spawn)
    thread.start()
    thread.join()
    await_command_line(process)


def await_command_line(process: Process) -> None:
    """For a moment after its exec a process has none; a pid file is read at the next start, much later."""
    assert process.pid is not None
    while psutil.Process(process.pid).cmdline() != WAIT:
        time.sleep(0.001)


def test_a_leftover_is_ended_by_its_pid_file(tmp_path: Path) -> None:
    left = Process("left", WAIT, log=tmp_path / "log", pid_file=tmp_path / "left.pid")
    spawn_unbound(left)
    assert end_leftovers(tmp_path) == ["left"]
    assert not left.running
    assert not (tmp_path / "left.pid").exists()


@pytest.mark.parametrize("change", [{"argv": ["something", "else"]}, {"created": 1.0}, {"pid": "text"}])
def test_a_number_that_was_reused_is_left_alone(tmp_path: Path, change: dict[str, object]) -> None:
    mine = Process("mine", WAIT, log=tmp_path / "log", pid_file=tmp_path / "mine.pid")
    mine.spawn()
    await_command_line(mine)
    try:
        assert find_leftover(tmp_path / "mine.pid") is not None
        recorded = json.loads((tmp_path / "mine.pid").read_text())
        (tmp_path / "mine.pid").write_text(json.dumps(recorded | change))
        assert end_leftovers(tmp_path) == []
        assert mine.running
    finally:
        mine.kill()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_broken_pid_file_names_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.pid").write_text(content)
    assert find_leftover(tmp_path / "x.pid") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's end")
def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from foldline.embedded.process import Process\n"
        f"child = Process('child', {WAIT!r}, log=Path({str(tmp_path / 'log')!r}))\n"
        "child.spawn(); Path(sys.argv[1]).write_text(str(child.pid)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    parent = Process(
        "parent", [sys.executable, "-c", code, str(tmp_path / "pid")], log=tmp_path / "parent.log"
    )
    parent.spawn()
    assert parent.wait(20)
    assert (tmp_path / "pid").exists(), parent.last_lines()
    try:
        psutil.Process(int((tmp_path / "pid").read_text())).wait(10)
    except psutil.NoSuchProcess:
        pass


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code = f"{ignore}; print('deaf', flush=True); signal.pause()"
    deaf = Process("deaf", [sys.executable, "-c", code], log=tmp_path / "log", pid_file=tmp_path / "deaf.pid")
    deaf.spawn()
    while not deaf.last_lines():
        assert deaf.running
    deaf.stop(timeout=0.05)
    assert deaf.exit_code == -signal.SIGKILL
    assert not (tmp_path / "deaf.pid").exists()


def test_a_log_is_moved_aside_when_it_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "LOG_LIMIT", 3)
    for word in ("one", "second", "third"):
        process = Process("x", [sys.executable, "-c", f"print('{word}')"], log=tmp_path / "log" / "x.log")
        process.spawn()
        assert process.wait(20)
    assert (tmp_path / "log" / "x.log").read_text() == "third\n"
    assert (tmp_path / "log" / "x.log.1").read_text() == "second\n"


def test_a_program_that_cannot_run_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot run /nowhere: No such file"):
        Process("x", ["/nowhere"], log=tmp_path / "log").spawn()
