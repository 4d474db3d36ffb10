"""`foldline up`: all servers and processes in one directory, of one site or of several with their centre."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from foldline.composition import Composition, compose_site
from foldline.embedded.layout import CLOSED, Layout
from foldline.embedded.lock import DirectoryLock
from foldline.embedded.pidfile import end_leftovers
from foldline.embedded.running_stack import Stack
from foldline.embedded.service import Service
from foldline.embedded.stop_signals import StopSignals
from foldline.embedded.supervisor import Supervisor
from foldline.sites import compose_sites
from foldline.up_context import COMMANDS, Say, UpContext
from runtime.settings.processes import UpSettings

Ready = Callable[[Sequence[Stack], Path], None]
"""Shows an operator the stacks that are ready, and the data directory."""


def up(
    settings: UpSettings,
    *,
    sites: Sequence[str] = (),
    ephemeral: bool = False,
    overrides: Mapping[str, str] | None = None,
    say: Say,
    ready: Ready,
    commands: Mapping[str, Sequence[str]] = COMMANDS,
    servers_only: bool = False,
) -> None:
    """Run until asked to stop; `ready` is called once, when every service answers. Raises Problem.

    With `sites` these and their centre, whose stack comes first. `overrides` are variables the workers get on
    top of our own environment. The directory of an `ephemeral` run is a temporary one, removed at the end.
    With `servers_only` no consumer and no API is started.
    """
    temporary = Path(tempfile.mkdtemp(prefix="foldline-")) if ephemeral else None
    layout = Layout.of(temporary or settings.data_dir)
    try:
        if temporary:
            temporary.chmod(CLOSED)
        layout.create()
        with ExitStack() as stack:
            stack.enter_context(DirectoryLock(layout.lock))
            signals = stack.enter_context(StopSignals())
            _end_leftovers(layout, say)
            context = UpContext(overrides=overrides or {}, say=say, commands=commands)
            members = (
                compose_sites(settings, layout, sites, context)
                if sites
                else [compose_site(settings, layout, context)]
            )
            for member in members:
                if sites:
                    member.layout.create()
                    stack.enter_context(DirectoryLock(member.layout.lock))
                    _end_leftovers(member.layout, say)
                member.stack.save(member.layout.stack)
                stack.callback(member.layout.stack.unlink, missing_ok=True)
            _supervise(
                members,
                signals,
                settings.connect_timeout,
                say,
                lambda: ready([member.stack for member in members], layout.root),
                servers_only=servers_only,
            )
    finally:
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def _end_leftovers(layout: Layout, say: Say) -> None:
    if ended := end_leftovers(layout.run):
        say(f"ended processes that an earlier start left running: {', '.join(ended)}")


def _supervise(
    members: Sequence[Composition],
    signals: StopSignals,
    timeout: float,
    say: Say,
    ready: Callable[[], None],
    *,
    servers_only: bool,
) -> None:
    servers: list[Service] = [server for member in members for server in member.servers]
    consumers = [consumer for member in members for consumer in member.consumers]
    surfaces = [surface for member in members for surface in member.surfaces]
    servers_last = [[server] for server in servers]
    supervisor = Supervisor(
        [servers] if servers_only else [servers, [*consumers, *surfaces]],
        servers_last if servers_only else [surfaces, consumers, *servers_last],
        signals=signals,
        say=say,
    )
    if not servers_only:
        names = ", ".join(surface.name for surface in surfaces)
        say(f"starting {len(consumers)} consumer{'s' * (len(consumers) > 1)}, {names}")
    try:
        if supervisor.start(timeout):
            ready()
            supervisor.watch()
        say("stopping; Ctrl-C again stops at once")
    finally:
        supervisor.stop()
