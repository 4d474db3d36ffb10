"""A small real HTTP server that takes events as sidecars and sites' APIs do."""

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Event = dict[str, Any]


class IngestServer:
    """What it answered with success to is in `batches`. `answers` come first; `wrong` says what is refused.

    With `deaf` it takes a batch and cuts the connection before the answer.
    """

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.paths: set[str] = set()
        self.wrong: Callable[[Event], bool] = lambda event: False
        self.deaf = 0
        self._server: ThreadingHTTPServer | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def events(self) -> list[Event]:
        """Each once, in the order of first arrival."""
        found: dict[str, Event] = {}
        for batch in list(self.batches):
            for event in batch:
                found.setdefault(event["idempotency_key"], event)
        return list(found.values())

    def told(self) -> list[tuple[str, str, str]]:
        """Type, kind and status of each."""
        return [(e["entity"]["type"], e["event"]["kind"], e["event"]["status"]) for e in self.events]

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.paths.add(self.path)
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                wrong = [index for index, event in enumerate(batch) if outer.wrong(event)]
                errors = [{"index": index, "error": "invalid_field", "detail": "wrong"} for index in wrong]
                if status == 200:
                    outer.batches.append([event for n, event in enumerate(batch) if n not in wrong])
                    if outer.deaf:
                        outer.deaf -= 1
                        self.close_connection = True
                        return
                answer = {"ok": not errors, "forwarded": len(batch) - len(errors), "errors": errors}
                text = json.dumps(answer if status == 200 else {"detail": "no"}).encode()
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
