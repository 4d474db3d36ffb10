"""Processes of applications, told apart from later ones with the same number."""

import os
import subprocess
import sys

from producers.sidecar.daemon.parent_process import birth_of, is_alive
from tests.support.waiting import wait_until_sync


def test_a_process_lives_until_it_ends_even_before_it_is_reaped() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    birth = birth_of(child.pid)
    assert birth
    assert is_alive(child.pid, birth)
    assert not is_alive(child.pid, birth + "0"), "another process of the same number"
    child.kill()
    wait_until_sync(lambda: not is_alive(child.pid, birth))
    child.communicate()
    assert birth_of(child.pid) is None
    assert not is_alive(os.getpid(), None), "it was gone when it was registered"
