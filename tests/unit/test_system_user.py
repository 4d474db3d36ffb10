"""The folders above a data directory, made passable for PostgreSQL's user."""

import stat
from pathlib import Path

from foldline.embedded.system_user import make_reachable


def test_the_way_is_opened_for_passing_not_for_looking(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    make_reachable(closed / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
