"""The layout of a data directory."""

import os
from dataclasses import dataclass
from pathlib import Path

from runtime.problems import Problem

# As root, PostgreSQL runs as another user, which has to reach its folder through ours.
CLOSED = 0o711 if os.geteuid() == 0 else 0o700


@dataclass(frozen=True)
class Layout:
    """The paths below `root`, which is absolute."""

    root: Path

    @classmethod
    def of(cls, data_dir: Path) -> "Layout":
        return cls(data_dir.expanduser().absolute())

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def lock(self) -> Path:
        return self.run / "lock"

    @property
    def stack(self) -> Path:
        return self.run / "stack.json"

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def pid(self, name: str) -> Path:
        return self.run / f"{name}.pid"

    def create(self) -> None:
        """Make the folders, closed to others. Raises Problem when they cannot be written."""
        try:
            self.root.mkdir(mode=CLOSED, parents=True, exist_ok=True)
            for folder in (self.run, self.root / "log"):
                folder.mkdir(mode=0o700, exist_ok=True)
                probe = folder / ".writable"
                probe.touch()
                probe.unlink()
        except OSError as exc:
            raise Problem(f"cannot write to {self.root}: {exc.strerror}", "FOLDLINE_DATA_DIR") from exc
