"""A minimal HTTP client: a full one would take more processor time than what it measures."""

import asyncio


class HttpConnection:
    """One persistent connection to a server on loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "HttpConnection":
        """Connect to a port."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str, position: str) -> int:
        """GET a path once the read model has passed `position`; returns the status."""
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nFoldline-Min-Position: {position}\r\n\r\n".encode()
        )
        status, _ = await self._answer()
        return status

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """POST JSON; returns the status and the body of the answer."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        return await self._answer()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _answer(self) -> tuple[int, bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        body = await self._reader.readexactly(length)
        return int(lines[0].split()[1]), body
