"""Answers on their way out: head and body in one piece."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class WholeAnswers(HttpToolsProtocol):
    """uvicorn's HTTP with one write for an answer.

    uvicorn itself makes two, for the head and for the body; each costs us a system call, and the client wakes
    up twice. Parts of an answer that goes on are sent in the turn of the loop they were made in.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Gathering(transport))  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()


class _Gathering:
    """A transport that sends what it was given at the end of the turn, on `flush` and before it closes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._call_soon = asyncio.get_running_loop().call_soon

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        if held := self._held:
            self._held = []
            self._transport.writelines(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()
