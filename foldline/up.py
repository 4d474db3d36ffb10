"""`foldline up`: the whole line in one directory."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from foldline.embedded.layout import CLOSED, Layout
from foldline.embedded.lock import DirectoryLock
from foldline.embedded.pidfile import end_leftovers
from foldline.embedded.stack import Stack
from foldline.embedded.stop_signals import StopSignals
from foldline.embedded.supervisor import Supervisor
from foldline.parts import Commands, Parts, Say, compose
from runtime.settings import Settings

Ready = Callable[[Stack, Path], None]


def up(
    settings: Settings,
    *,
    ephemeral: bool = False,
    overrides: Mapping[str, str] | None = None,
    say: Say,
    ready: Ready,
    commands: Commands | None = None,
    servers_only: bool = False,
) -> None:
    """Run until asked to stop; `ready` is called once, when every part answers. Raises Problem.

    `overrides` are variables the workers get on top of our own environment. The directory of an `ephemeral`
    run is a temporary one, removed at the end. With `servers_only` no consumer and no API is started.
    """
    temporary = Path(tempfile.mkdtemp(prefix="foldline-")) if ephemeral else None
    layout = Layout.of(temporary or settings.data_dir)
    try:
        if temporary:
            temporary.chmod(CLOSED)
        layout.create()
        with DirectoryLock(layout.lock), StopSignals() as signals:
            if ended := end_leftovers(layout.run):
                say(f"ended what an earlier start left running: {', '.join(ended)}")
            parts = compose(
                settings, layout, overrides=overrides or {}, say=say, commands=commands or Commands()
            )
            parts.stack.save(layout.stack)
            try:
                _supervise(
                    parts,
                    signals,
                    settings.connect_timeout,
                    say,
                    lambda: ready(parts.stack, layout.root),
                    servers_only=servers_only,
                )
            finally:
                layout.stack.unlink(missing_ok=True)
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def _supervise(
    parts: Parts,
    signals: StopSignals,
    timeout: float,
    say: Say,
    ready: Callable[[], None],
    *,
    servers_only: bool,
) -> None:
    stop_servers = [[server] for server in parts.servers]
    supervisor = Supervisor(
        [parts.servers] if servers_only else [parts.servers, [*parts.consumers, *parts.surfaces]],
        stop_servers if servers_only else [parts.surfaces, parts.consumers, *stop_servers],
        signals=signals,
        say=say,
    )
    if not servers_only:
        count = len(parts.consumers)
        say(f"starting {count} consumer{'s' * (count > 1)}, the API and a sidecar")
    try:
        if supervisor.start(timeout):
            ready()
            supervisor.watch()
        say("stopping (again to hurry)")
    finally:
        supervisor.stop()
