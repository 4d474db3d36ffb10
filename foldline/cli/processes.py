"""`foldline api`, `consumer`, `sidecar` and `central`: one process of the line, configured by FOLDLINE_*."""

from foldline.embedded.running_stack import resolve
from runtime.settings import settings

# Each command imports its own process: a consumer does without the web framework.


def api() -> None:
    """Serve the sessions API and the jobs API of this site."""
    resolved = resolve(settings())
    from foldline.api_process import run_api  # noqa: PLC0415

    run_api(resolved)


def consumer() -> None:
    """Fold events into the read models; start as many as you like, they share the work."""
    resolved = resolve(settings())
    from consumers.app import run  # noqa: PLC0415

    run(resolved)


def sidecar() -> None:
    """Accept events of jobs and sessions on this host, and keep them while NATS is away."""
    resolved = resolve(settings(), database=False)
    from producers.sidecar.app import run  # noqa: PLC0415

    run(resolved)


def central() -> None:
    """Serve the jobs of all sites in FOLDLINE_SITES; a consumer with the same setting folds them."""
    resolved = resolve(settings())
    from foldline.central_process import run_central  # noqa: PLC0415

    run_central(resolved)
