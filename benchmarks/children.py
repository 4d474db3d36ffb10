"""Fresh processes: what is measured shares none with the measuring, nor with what was measured before."""

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

from runtime.settings import Settings, environment_of, settings

Measured = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
_PATIENCE = 20.0


async def in_child(function: Measured, config: Settings, **arguments: Any) -> dict[str, Any]:
    """Await `function(settings, **arguments)` in a new process; it answers what JSON can hold."""
    process = await _start(config, "-m", __name__, f"{function.__module__}:{function.__qualname__}")
    output, _ = await process.communicate(json.dumps(arguments).encode())
    if process.returncode:
        raise RuntimeError(f"{function.__module__}.{function.__qualname__} failed: its message is above")
    return dict(json.loads(output.splitlines()[-1]))


@asynccontextmanager
async def running(config: Settings, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program of ours for the length of a block, told to end by SIGTERM."""
    process = await _start(config, *arguments)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def _start(config: Settings, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=os.environ | environment_of(config),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us alone
    )


def main() -> None:
    module, _, name = sys.argv[1].partition(":")
    function: Measured = getattr(import_module(module), name)
    answer = uvloop.run(function(settings(), **json.load(sys.stdin)))
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
