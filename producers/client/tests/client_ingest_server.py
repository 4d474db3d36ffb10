"""A small real HTTP server that takes events as sidecars and sites' APIs do."""

from collections.abc import Callable
from typing import Any

from client_local_server import Handler, LocalServer

Event = dict[str, Any]


class IngestServer(LocalServer):
    """An ingest. `batches` are the events it took; `answers` come first; `wrong` says which it refuses.

    With `deaf` it takes a batch and cuts the connection before the answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Event]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.paths: set[str] = set()
        self.wrong: Callable[[Event], bool] = lambda event: False
        self.deaf = 0

    @property
    def events(self) -> list[Event]:
        """Every event once, in the order of first arrival."""
        found: dict[str, Event] = {}
        for batch in list(self.batches):
            for event in batch:
                found.setdefault(event["idempotency_key"], event)
        return list(found.values())

    def told(self) -> list[tuple[str, str, str]]:
        """Type, kind and status of every event."""
        return [(e["entity"]["type"], e["event"]["kind"], e["event"]["status"]) for e in self.events]

    def handler(self) -> type[Handler]:
        outer = self

        class IngestHandler(Handler):
            def post(self, body: list[Event]) -> None:
                outer.paths.add(self.path)
                status, headers = outer.answers.pop(0) if outer.answers else (200, {})
                wrong = [index for index, event in enumerate(body) if outer.wrong(event)]
                errors = [{"index": index, "error": "invalid_field", "detail": "wrong"} for index in wrong]
                if status == 200:
                    outer.batches.append([event for n, event in enumerate(body) if n not in wrong])
                    if outer.deaf:
                        outer.deaf -= 1
                        self.close_connection = True
                        return
                answer = {"ok": not errors, "forwarded": len(body) - len(errors), "errors": errors}
                self.answer(status, headers, answer if status == 200 else {"detail": "no"})

        return IngestHandler
