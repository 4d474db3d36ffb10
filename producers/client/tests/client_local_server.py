"""A small real HTTP server in a thread, on a port of its own; the base of the servers that tests send to."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Takes JSON and answers JSON over connections that stay open."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: two wait for each other's acknowledgement

    def do_POST(self) -> None:
        self.post(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def do_GET(self) -> None:
        self.get()

    def post(self, body: Any) -> None:
        raise NotImplementedError

    def get(self) -> None:
        raise NotImplementedError

    def answer(self, status: int, headers: dict[str, str], answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass


class LocalServer:
    """A server that is not started yet; `handler` answers its requests."""

    def __init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def handler(self) -> type[Handler]:
        raise NotImplementedError

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), self.handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request: Any, address: Any) -> None:
        pass  # a client that was cut off
