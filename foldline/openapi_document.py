"""The OpenAPI document of a surface, made without connecting to anything."""

from collections.abc import Callable
from typing import Any, Final

from foldline.api_process import ApiProcess
from foldline.central_process import CentralProcess
from foldline.settings import Api, Central, Sidecar
from foldline.sidecar_process import SidecarProcess
from foldline.surface_apps import SurfaceProcess, create_app
from foldline.surfaces import ProcessName, Surface

# A document says nothing of one installation: the environment is not asked beyond what may not be wrong.
_OWN: Final[dict[str, Any]] = {"_env_file": None, "otlp_endpoint": None}
_PROCESSES: Final[dict[ProcessName, Callable[[], SurfaceProcess]]] = {
    "api": lambda: ApiProcess(Api(**_OWN)),
    "sidecar": lambda: SidecarProcess(Sidecar(**_OWN)),
    "central": lambda: CentralProcess(Central(**_OWN, sites="site=http://localhost:18000")),
}


def openapi_document(surface: Surface) -> dict[str, Any]:
    """Return the document that the surface serves as `/openapi.json`."""
    return create_app(surface, _PROCESSES[surface.process]()).openapi()
