"""`foldline` commands, run against the stack under test."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.acceptance.stack import Stack
from tests.support.forked import run_forked


@dataclass(frozen=True)
class Outcome:
    """The outcome of a command."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the one line of JSON that it printed."""
        assert self.code == 0, self.err
        return json.loads(self.out)


def foldline(
    stack: Stack, *arguments: str, given: bytes = b"", settings: Mapping[str, str] | None = None
) -> Outcome:
    """Run `foldline …` with the stack's addresses, other settings and `given` on its standard input."""
    env = {**stack.environment(), "COLUMNS": "200", **(settings or {})}
    done = run_forked(arguments, env=env, cwd=stack.folder, given=given)
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
