"""The programs of the embedded servers."""

from pathlib import Path

import pytest

from foldline.embedded.binaries import find_nats_server, find_postgres_bin, nats_version, postgres_version
from runtime.problems import Problem


def test_the_installed_programs_are_found() -> None:
    assert nats_version(find_nats_server(None)).startswith("2.")
    assert postgres_version(find_postgres_bin(None)).startswith("18")


def test_something_else_is_no_server(tmp_path: Path) -> None:
    program = tmp_path / "nats-server"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    with pytest.raises(
        Problem, match=r"is no nats-server: it calls itself 'hello' \(see FOLDLINE_NATS_SERVER"
    ):
        nats_version(program)
