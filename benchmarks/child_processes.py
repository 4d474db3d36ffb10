"""Fresh processes: a measurement shares none with the benchmark itself, nor with an earlier measurement."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any

import uvloop

from foldline.settings import Settings
from runtime.settings.base import environment_of
from runtime.settings.processes import UpSettings

MeasuringFunction = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
_STOP_S = 20.0


async def run_in_child(function: MeasuringFunction, config: UpSettings, **arguments: Any) -> dict[str, Any]:
    """Await `function(settings, **arguments)` in a new process; its result must be plain data.

    Raises RuntimeError if the process fails.
    """
    process = await _start(config, "-m", __name__, f"{function.__module__}:{function.__qualname__}")
    output, _ = await process.communicate(json.dumps(arguments).encode())
    if process.returncode:
        raise RuntimeError(f"{function.__module__}.{function.__qualname__} failed: see its message above")
    return dict(json.loads(output.splitlines()[-1]))


@asynccontextmanager
async def running_program(config: UpSettings, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program of ours for the length of a block; it ends by SIGTERM, or is killed 20 seconds later."""
    process = await _start(config, *arguments)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def _start(config: UpSettings, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=os.environ | environment_of(config),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the benchmark alone
    )


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function: MeasuringFunction = getattr(import_module(module), name)
    answer = uvloop.run(function(Settings(), **json.load(sys.stdin)))
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
