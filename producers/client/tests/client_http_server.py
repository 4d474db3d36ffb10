"""A small real HTTP server that answers like the sessions API."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class HttpServer:
    """The sessions API as far as a writer sees it. `answers` (GET: `reads`) come before the usual."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.reads: list[tuple[int, dict[str, str]]] = []
        self._seen: dict[str, int] = {}
        self._server: ThreadingHTTPServer | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def effects(self) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
        """Requests answered with success, each idempotency key once."""
        found = {
            headers.get("idempotency-key", str(n)): (path, body, headers)
            for n, (path, body, headers) in enumerate(self.requests)
        }
        return list(found.values())

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet: two wait for each other's acknowledgement

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                if status < 300:
                    seen = {name.lower(): value for name, value in self.headers.items()}
                    outer.requests.append((self.path, json.loads(body), seen))
                    headers = {"Foldline-Position": f"SESSIONS/3:{len(outer.requests)}", **headers}
                self._answer(status, headers, {"success": status < 300})

            def do_GET(self) -> None:
                if outer.reads:
                    self._answer(*outer.reads.pop(0), {"error": "not yet"})
                elif self.path.endswith("/missing"):
                    self._answer(404, {}, {"error": "Session not found"})
                else:
                    self._answer(200, {}, {"id": self.path.rpartition("/")[2], "headers": dict(self.headers)})

            def _answer(self, status: int, headers: dict[str, str], answer: dict[str, Any]) -> None:
                text = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
                pass

        class Server(ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, request: Any, address: Any) -> None:
                pass  # a client that was cut off

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
