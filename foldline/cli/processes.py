"""`foldline api`, `consumer`, `sidecar` and `central`: one process of the line, configured by FOLDLINE_*."""

from foldline.embedded.stack import resolve
from runtime.settings import settings


def api() -> None:
    """Serve the HTTP surfaces."""
    resolved = resolve(settings())
    from foldline.api_process import run_api  # noqa: PLC0415 - the other command does without

    run_api(resolved)


def consumer() -> None:
    """Fold events into the read models; run as many as you like."""
    resolved = resolve(settings())
    from consumers.app import run  # noqa: PLC0415 - the other command does without

    run(resolved)


def sidecar() -> None:
    """Accept events of jobs on this host, and keep them while the line is away."""
    from producers.sidecar.app import run  # noqa: PLC0415 - the other commands do without

    run(resolve(settings(), database=False))


def central() -> None:
    """Serve the jobs of all sites; beside it a consumer with the same FOLDLINE_SITES folds them."""
    resolved = resolve(settings())
    from foldline.central_process import run_central  # noqa: PLC0415 - the other commands do without

    run_central(resolved)
