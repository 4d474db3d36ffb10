"""Surfaces: what this program serves, each declared once.

Ports of every way to run it, settings, addresses, applications, OpenAPI, errors and metrics follow from here.
A new surface is an entry here, and a module with its routes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from runtime.http.envelopes import JOBS as JOBS_ENVELOPE
from runtime.http.envelopes import SESSIONS as SESSIONS_ENVELOPE
from runtime.http.envelopes import Envelope
from runtime.problems import Problem

ProcessName = Literal["api", "sidecar", "central"]
"""A process that serves surfaces; `foldline <name>` runs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """One surface of a process.

    `routers` names a function, `module:function`, that makes its routers from what the process is made of,
    before anything is connected. It is named and not given, so that a command that looks up a port imports no
    routes. A surface that is no HTTP (gRPC) has a `server` instead: the name of a function of the same
    argument, which returns what a ServerListener takes.

    A surface may share the port of another one, and serves what lies below its `paths` there.
    """

    name: str  # in settings (`<name>_port`), metrics, `foldline openapi`
    process: ProcessName
    label: str  # in the table of addresses
    title: str  # of its OpenAPI document
    about: str  # what its port serves, for the list of settings
    port: int  # by default; on it at every site of a machine: plus `step` for each further one
    envelope: Envelope
    routers: str = ""
    server: str = ""
    shares: str | None = None  # the surface whose port it is on
    paths: tuple[str, ...] = ()  # with `shares`: path prefixes without a slash at the end
    health: str = "/ready?for=reads,writes"  # answers 200 as soon as it can be used
    scheme: str = "http"
    step: int = 1

    @property
    def port_setting(self) -> str:
        """The setting with its port."""
        return f"{self.shares or self.name}_port"


API: Final = Surface(
    name="api",
    process="api",
    label="API",
    title="Foldline",
    about="the sessions API and of operations",
    port=9090,
    envelope=SESSIONS_ENVELOPE,
    routers="foldline.api_process:session_routers",
)
JOBS: Final = Surface(
    name="jobs",
    process="api",
    label="Jobs",
    title="Foldline jobs",
    about="the jobs API of this site",
    port=18000,
    envelope=JOBS_ENVELOPE,
    routers="foldline.api_process:job_routers",
    health="/v1/healthz",
)
SIDECAR: Final = Surface(
    name="sidecar",
    process="sidecar",
    label="Sidecar",
    title="Foldline sidecar",
    about="a host's sidecar",
    port=8000,
    envelope=JOBS_ENVELOPE,
    routers="foldline.sidecar_process:ingest_routers",
    health="/v1/healthz",
)
DAEMON: Final = Surface(
    name="daemon",
    process="sidecar",
    label="Session daemon",
    title="Foldline session daemon",
    about="a host's session daemon",
    port=8079,
    envelope=SESSIONS_ENVELOPE,
    routers="foldline.sidecar_process:daemon_routers",
    health="/health",
)
CENTRAL: Final = Surface(
    name="central",
    process="central",
    label="Jobs of all sites",
    title="Foldline sites",
    about="the jobs API of a centre, for all its sites",
    port=19000,
    envelope=JOBS_ENVELOPE,
    routers="foldline.central_process:routers",
    health="/v1/healthz",
)

SURFACES: Final = (API, JOBS, SIDECAR, DAEMON, CENTRAL)


def surfaces_of(process: ProcessName) -> tuple[Surface, ...]:
    """Return the surfaces of a process; the first one tells whether it is ready."""
    return tuple(surface for surface in SURFACES if surface.process == process)


def surfaces_with_ports(surfaces: Iterable[Surface]) -> Iterator[Surface]:
    """Yield the surfaces that have a port of their own."""
    return (surface for surface in surfaces if surface.shares is None)


SITE_SURFACES: Final = (*surfaces_of("api"), *surfaces_of("sidecar"))
"""The surfaces of a site."""


def surface_named(name: str) -> Surface:
    """Return a surface by its name. Raises Problem."""
    known = {surface.name: surface for surface in SURFACES}
    if name not in known:
        raise Problem(f"no surface {name[:100]!r}: known are {', '.join(known)}")
    return known[name]
