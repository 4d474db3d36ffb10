"""Several applications on one port, told apart by the beginning of the path."""

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class ByPrefix:
    """Dispatches each request and each WebSocket to the application with the longest prefix of its path.

    A prefix is whole segments: `/docs` is `/docs` and what lies below it, not `/docsets`. The application at
    `""` takes everything else. Paths are passed on unchanged.
    """

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        if "" not in apps:
            raise ValueError("an application at '' has to take the paths that no prefix names")
        for prefix in apps:
            if prefix and (prefix[0] != "/" or prefix[-1] == "/"):
                raise ValueError(f"prefix {prefix!r}: it begins with a slash and ends without one")
        self._default = apps[""]
        self._below = [
            (prefix, f"{prefix}/", apps[prefix]) for prefix in sorted(apps, key=len, reverse=True) if prefix
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        for prefix, below, app in self._below:
            if path.startswith(below) or path == prefix:
                await app(scope, receive, send)
                return
        await self._default(scope, receive, send)
