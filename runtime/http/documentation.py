"""The pages `/docs` (Swagger UI) and `/redoc` (ReDoc), from files of ours: they work without a network."""

from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

FOLDER: Final = Path(__file__).parent / "pages"
SWAGGER_UI: Final = "swagger-ui-5.35.0"
REDOC: Final = "redoc-2.5.4"
_FILES: Final = "docs/files"  # below /docs, so that a relay of that path has them as well

# The addresses are relative: right behind a proxy that serves this surface below a path of its own.
_SWAGGER_PAGE: Final = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_FILES}/{SWAGGER_UI}/swagger-ui.css">
<title>$title</title>
</head>
<body>
<div id="swagger-ui"></div>
<script src="{_FILES}/{SWAGGER_UI}/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({{url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null}});
</script>
</body>
</html>
"""
_REDOC_PAGE: Final = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<style>body {{ margin: 0; }}</style>
<title>$title</title>
</head>
<body>
<redoc spec-url="openapi.json"></redoc>
<script src="{_FILES}/{REDOC}/redoc.standalone.js"></script>
</body>
</html>
"""
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    # Browsers are told as well that no other host is asked: ReDoc would load its logo from one.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self'"
    " 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; worker-src blob:",
}


class _VersionedFiles(StaticFiles):
    """Files whose address has their version: browsers keep them and never ask again."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def add_documentation(app: FastAPI) -> None:
    """Serve both pages and their files; they show the application's `/openapi.json`."""
    for path, page in (("/docs", _SWAGGER_PAGE), ("/redoc", _REDOC_PAGE)):
        app.router.routes.append(Route(path, _shows(page.replace("$title", escape(app.title)))))
    app.router.routes.append(Mount(f"/{_FILES}", _VersionedFiles(directory=FOLDER)))


def _shows(page: str) -> Any:
    async def show(_: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    return show
