"""`foldline api`, `consumer`, `sidecar` and `central`: one process of the line, configured by FOLDLINE_*."""

from foldline.embedded.running_stack import resolve
from foldline.settings import Api, Central, Consumer, Sidecar, read_settings
from foldline.surfaces import surfaces_of

# Each command imports its own process: a consumer does without the web framework.


def api() -> None:
    """Serve the sessions API and the jobs API of this site."""
    settings = resolve(read_settings(Api))
    from foldline.api_process import ApiProcess  # noqa: PLC0415
    from foldline.processes import run_process  # noqa: PLC0415

    run_process(settings, surfaces_of("api"), ApiProcess)


def consumer() -> None:
    """Fold events into the read models; start as many as you like, they share the work."""
    settings = resolve(read_settings(Consumer))
    from consumers.app import run  # noqa: PLC0415

    run(settings)


def sidecar() -> None:
    """Accept events of jobs and sessions on this host, and keep them while NATS is away."""
    settings = resolve(read_settings(Sidecar), database=False)
    from foldline.processes import run_process  # noqa: PLC0415
    from foldline.sidecar_process import SidecarProcess  # noqa: PLC0415

    run_process(settings, surfaces_of("sidecar"), SidecarProcess)


def central() -> None:
    """Serve the jobs of all sites in FOLDLINE_SITES; a consumer with the same setting folds them."""
    settings = resolve(read_settings(Central))
    from foldline.central_process import CentralProcess  # noqa: PLC0415
    from foldline.processes import run_process  # noqa: PLC0415

    run_process(settings, surfaces_of("central"), CentralProcess)
