"""`/v1/sites`: the sites of a centre."""

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from api.jobs.responses import SiteList
from api.jobs.site_monitor import SiteMonitor
from runtime.compat.fastapi_routes import DirectRoute
from runtime.http.openapi import operation


def sites_router(sites: SiteMonitor) -> APIRouter:
    """The route that lists the sites of a centre."""
    router = APIRouter(tags=["sites"], route_class=DirectRoute)

    @router.get("/v1/sites", **operation("list_sites", SiteList))
    async def listed(request: Request) -> Response:
        """All sites, each with its state and how many of its events have not arrived yet."""
        found = [{"id": site.id, **site.as_json()} for site in sites.all()]
        return Response(to_json({"sites": found, "count": len(found)}), media_type="application/json")

    return router
