"""The pages of the documentation: from files of ours, whole, and kept by browsers."""

import hashlib
import re

import httpx
import pytest

from runtime.http.documentation import FOLDER
from runtime.http.envelopes import JOBS, SESSIONS, Envelope
from runtime.http.surface_app import surface_app

ADDRESS = re.compile(r"""(?:src|href)="([^"]+)\"""")


def client_of(envelope: Envelope, title: str = "Things") -> httpx.AsyncClient:
    app = surface_app("things", title, envelope)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here")


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_needs_only_files_of_this_surface(path: str) -> None:
    async with client_of(SESSIONS, "Things <& more>") as client:
        page = await client.get(path)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert "<title>Things &lt;&amp; more&gt;</title>" in page.text
        assert "//" not in page.text
        assert page.headers["content-security-policy"].startswith("default-src 'self';")
        files = [address for address in ADDRESS.findall(page.text) if not address.startswith("data:")]
        assert files
        for file in [*files, "openapi.json"]:
            assert (await client.get(f"/{file}")).status_code == 200


@pytest.mark.parametrize(
    ("suffix", "media_type"), [(".js", "text/javascript"), (".css", "text/css")], ids=["script", "style"]
)
async def test_files_are_kept_by_browsers(suffix: str, media_type: str) -> None:
    async with client_of(JOBS) as client:
        for file in FOLDER.glob(f"*/*{suffix}"):
            found = await client.get(f"/docs/files/{file.relative_to(FOLDER)}")
            assert found.content == file.read_bytes()
            assert found.headers["content-type"] == f"{media_type}; charset=utf-8"
            assert found.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_errors_beside_the_files_are_those_of_the_surface() -> None:
    async with client_of(JOBS) as client:
        for path in ("/docs/files/none.js", "/docs/files/%2e%2e/documentation.py", "/docs/files/"):
            missing = await client.get(path)
            assert (missing.status_code, missing.json().keys()) == (404, {"detail"})
        assert (await client.post("/docs")).status_code == 405


def test_vendored_files_are_those_of_npm() -> None:
    said = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (FOLDER / "README.md").read_text(), re.MULTILINE))
    found = {
        hashlib.sha256(file.read_bytes()).hexdigest(): str(file.relative_to(FOLDER))
        for suffix in ("js", "css")
        for file in FOLDER.glob(f"*/*.{suffix}")
    }
    assert found == said
    for folder in {file.split("/")[0] for file in found.values()}:
        assert (FOLDER / folder / "LICENSE").read_text()
