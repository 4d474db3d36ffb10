"""The lock of a data directory."""

import os
from pathlib import Path

import pytest

from foldline.embedded.lock import DirectoryLock, is_held
from runtime.problems import Problem


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
