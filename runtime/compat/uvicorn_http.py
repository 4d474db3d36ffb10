"""uvicorn's HTTP protocol with one write for an answer, and errors in the surface's envelope."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

_MOST_HELD: Final = 1 << 16  # bytes


class SingleWriteProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which writes an answer to the socket once.

    uvicorn itself makes two writes, for the head and for the body; each costs us a system call, and the
    client wakes up twice. Parts of a streamed answer leave in the turn of the loop in which they were made.
    A WebSocket writes to the socket itself.

    The parser leaves blanks behind the value of a header, which RFC 9110 says are no part of it.

    The application of the configuration has `malformed(port)`, the JSON that answers what is no HTTP.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_GatheringTransport(transport))  # type: ignore[arg-type]

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value.rstrip(b" \t"))

    def on_response_complete(self) -> None:
        self.transport.flush()  # type: ignore[attr-defined]
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        self.transport = self.transport.release()  # type: ignore[attr-defined]
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        body = self.config.app.malformed(self.server[1])  # type: ignore[union-attr, index]
        dated = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        self.transport.write(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%b\r\n%b"
            % (STATUS_LINE[400], len(body), b"".join(dated), body)
        )
        self.transport.close()

    def _should_upgrade(self) -> bool:
        # A handshake that cannot succeed is an ordinary request; the library would answer in its own way.
        headers = dict(self.headers)
        return (
            headers.get(b"sec-websocket-version") == b"13"
            and b"sec-websocket-key" in headers
            and super()._should_upgrade()
        )


class _GatheringTransport:
    """A transport that sends what it was given at the end of the turn, on `flush` and before it closes.

    More than 64 KiB are not held: an answer made without a pause would never wait for its reader.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held: list[bytes] = []
        self._size = 0
        self._call_soon = asyncio.get_running_loop().call_soon

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            self._call_soon(self.flush)
        self._held.append(data)
        self._size += len(data)
        if self._size > _MOST_HELD:
            self.flush()

    def flush(self) -> None:
        if held := self._held:
            self._held, self._size = [], 0
            self._transport.writelines(held)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def release(self) -> asyncio.Transport:
        """Send what is held and return the transport behind this one."""
        self.flush()
        return self._transport
