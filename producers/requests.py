"""Requests over NATS whose waits end with the connection, not only with their timeout."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from nats.aio.msg import Msg
from nats.errors import Error

from runtime.sinks import BusClient

logger = logging.getLogger("foldline.publisher")

_NO_RESPONDERS: Final = "503"


class InDoubt(Exception):
    """No answer: the request may have taken effect or not. Ask again under the same message id."""


class Reply(NamedTuple):
    """What was answered."""

    data: bytes
    headers: Mapping[str, str]


class Requests:
    """One inbox for all replies. nats-py's own `request` sits out its timeout when the server dies."""

    def __init__(self, nc: BusClient) -> None:
        self.nc = nc
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._inbox: str | None = None
        self._count = 0
        self._opening = asyncio.Lock()

    async def ask(self, subject: str, body: bytes, headers: dict[str, str] | None, timeout: float) -> Reply:
        """Send one request and wait at most `timeout` seconds. Raises InDoubt."""

        async def send(reply: str) -> None:
            await self._publish(subject, body, headers, reply)

        return await self._asked(send, timeout)

    async def ask_with(self, lines: Callable[[str], bytes], timeout: float) -> Reply:
        """The same with messages that are protocol lines already; `lines` takes the subject of the answer.

        Of a thousand messages each costs a fifth of what it costs to publish them one by one.
        """

        async def send(reply: str) -> None:
            await self._write(lines(reply))

        return await self._asked(send, timeout)

    async def _asked(self, send: Callable[[str], Awaitable[None]], timeout: float) -> Reply:
        inbox = self._inbox or await self._open()
        self._count += 1
        token = str(self._count)
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[token] = reply
        try:
            await send(f"{inbox}.{token}")
            async with asyncio.timeout(timeout):
                answer = await reply
        except TimeoutError:
            raise InDoubt(f"no answer within {timeout:.1f} s") from None
        finally:
            del self._waiting[token]
        if not answer.data and answer.headers.get("Status") == _NO_RESPONDERS:
            raise InDoubt("nothing answers: no stream, or no leader now")
        return answer

    async def _publish(self, subject: str, body: bytes, headers: dict[str, str] | None, reply: str) -> None:
        try:
            await self.nc.publish(subject, body, reply=reply, headers=headers)
        except (Error, OSError) as exc:
            raise InDoubt(f"not connected ({type(exc).__name__})") from exc

    async def _write(self, lines: bytes) -> None:
        if not self.nc.is_connected:
            raise InDoubt("not connected")
        try:
            await self.nc._send_command(lines)
            await self.nc._flush_pending()
        except (Error, OSError) as exc:
            raise InDoubt(f"not connected ({type(exc).__name__})") from exc

    async def _open(self) -> str:
        async with self._opening:
            if self._inbox is None:
                if not self.nc.is_connected:
                    # A subscription made now would wait in the client, and closing it then fails.
                    raise InDoubt("not connected")
                inbox = self.nc.new_inbox()
                try:
                    opened = await self.nc.subscribe(f"{inbox}.*", cb=self._on_reply)
                except (Error, OSError) as exc:
                    raise InDoubt(f"not connected ({type(exc).__name__})") from exc
                self.nc.answers[opened._id] = self._on_answer
                self._follow_disconnects()
                self._inbox = inbox
            return self._inbox

    def _on_answer(self, subject: bytes, body: bytes) -> None:
        self._answered(subject.decode(), Reply(body, {}))

    async def _on_reply(self, message: Msg) -> None:
        self._answered(message.subject, Reply(message.data, message.headers or {}))

    def _answered(self, subject: str, answer: Reply) -> None:
        reply = self._waiting.get(subject.rpartition(".")[2])
        if reply is not None and not reply.done():
            reply.set_result(answer)

    def _follow_disconnects(self) -> None:
        # A client has one callback, given at connect time, and it belongs to whoever connected: chain ours.
        following = self.nc._disconnected_cb

        async def on_disconnect() -> None:
            # What the client has not yet written would be sent on reconnecting, after callers gave up.
            self.nc._pending.clear()
            self.nc._pending_data_size = 0
            for reply in self._waiting.values():
                if not reply.done():
                    reply.set_exception(InDoubt("the connection was lost"))
            if following is not None:
                await following()

        self.nc._disconnected_cb = on_disconnect
