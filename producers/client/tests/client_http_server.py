"""A small real HTTP server that answers like the sessions API."""

from typing import Any

from client_local_server import Handler, LocalServer


class HttpServer(LocalServer):
    """The sessions API as far as a writer sees it. `answers` (GET: `reads`) come before the usual."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.reads: list[tuple[int, dict[str, str]]] = []

    @property
    def effects(self) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
        """Requests answered with success, each idempotency key once."""
        found = {
            headers.get("idempotency-key", str(n)): (path, body, headers)
            for n, (path, body, headers) in enumerate(self.requests)
        }
        return list(found.values())

    def handler(self) -> type[Handler]:
        outer = self

        class SessionsHandler(Handler):
            def post(self, body: Any) -> None:
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                if status < 300:
                    seen = {name.lower(): value for name, value in self.headers.items()}
                    outer.requests.append((self.path, body, seen))
                    headers = {"Foldline-Position": f"SESSIONS/3:{len(outer.requests)}", **headers}
                self.answer(status, headers, {"success": status < 300})

            def get(self) -> None:
                if outer.reads:
                    self.answer(*outer.reads.pop(0), {"error": "not yet"})
                elif self.path.endswith("/missing"):
                    self.answer(404, {}, {"error": "Session not found"})
                else:
                    self.answer(200, {}, {"id": self.path.rpartition("/")[2], "headers": dict(self.headers)})

        return SessionsHandler
