"""A client of few words: a full one would take more of the processors than what it measures."""

import asyncio


class Http:
    """One kept connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Http":
        """To a server of ours on loopback."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, path: str, position: str) -> int:
        """Ask for what shows that position; answers the status."""
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nFoldline-Min-Position: {position}\r\n\r\n".encode()
        )
        status, _ = await self._answer()
        return status

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send JSON; answers the status and the body of the answer."""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: bench\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        return await self._answer()

    def close(self) -> None:
        """Done."""
        self._writer.close()

    async def _answer(self) -> tuple[int, bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        length = next(int(line[15:]) for line in lines if line.startswith("content-length:"))
        body = await self._reader.readexactly(length)
        return int(lines[0].split()[1]), body
