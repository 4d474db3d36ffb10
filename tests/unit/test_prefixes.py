"""Several applications on one port, by the beginning of the path."""

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.http.prefixes import ByPrefix


def named(name: str, reached: list[tuple[str, str, str]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append((name, scope["type"], scope["path"]))

    return app


async def reached_by(prefixes: list[str], path: str, kind: str = "http") -> tuple[str, str, str]:
    reached: list[tuple[str, str, str]] = []
    apps: Mapping[str, ASGIApp] = {prefix: named(prefix, reached) for prefix in prefixes}

    async def nothing(*_: Any) -> Any:
        raise AssertionError("nobody reads or writes here")

    await ByPrefix(apps)({"type": kind, "path": path}, nothing, nothing)
    (one,) = reached
    return one


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/api/v1/sessions", "/api/v1"),
        ("/api/v1", "/api/v1"),
        ("/api/v2", "/api"),
        ("/api", "/api"),
        ("/apis", ""),
        ("/docs/oauth2-redirect", "/docs"),
        ("/docsets", ""),
        ("/", ""),
        ("", ""),
        ("/v1/ingest/events", ""),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_longest_prefix_of_whole_segments_wins(path: str, prefix: str, kind: str) -> None:
    for prefixes in (["", "/api", "/api/v1", "/docs"], ["/docs", "/api/v1", "/api", ""]):
        assert await reached_by(prefixes, path, kind) == (prefix, kind, path)


@pytest.mark.parametrize("prefix", ["api", "/api/"])
def test_a_prefix_begins_with_a_slash_and_ends_without(prefix: str) -> None:
    with pytest.raises(ValueError, match="begins with a slash"):
        ByPrefix({"": named("", []), prefix: named(prefix, [])})


def test_somebody_takes_all_other_paths() -> None:
    with pytest.raises(ValueError, match="no prefix names"):
        ByPrefix({"/api": named("/api", [])})
