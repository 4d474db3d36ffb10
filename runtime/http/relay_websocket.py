"""WebSockets passed on to another process, message by message, both ways."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode
from websockets.http11 import Response as Refused
from websockets.typing import Subprotocol

from runtime.http.proxy_headers import request_headers, response_headers
from runtime.process.tasks import cancel_and_wait

Away = Callable[[Exception], Response]

_OPEN_S: Final = 2.0
_CLOSE_S: Final = 2.0
_LARGEST: Final = 16 << 20  # a message, bytes: what our servers take from a client
# Codes that say that none was sent, and the one to send on for each. uvicorn says the first one of a client
# that vanished, too.
_TO_UPSTREAM: Final[dict[int, int]] = {
    CloseCode.NO_STATUS_RCVD: CloseCode.GOING_AWAY,
    CloseCode.ABNORMAL_CLOSURE: CloseCode.GOING_AWAY,
}
_TO_CLIENT: Final[dict[int, int]] = {
    CloseCode.NO_STATUS_RCVD: CloseCode.NORMAL_CLOSURE,
    CloseCode.ABNORMAL_CLOSURE: CloseCode.BAD_GATEWAY,
}


async def relay_websocket(url: str, scope: Scope, receive: Receive, send: Send, *, away: Away) -> None:
    """Connect to the same path of `url`, and pass messages on until either side closes.

    A refusal of the other side is answered as it is, and what `away` makes of the error if nobody is there.
    """
    await receive()  # websocket.connect
    try:
        upstream = await _connect(url, scope)
    except InvalidStatus as exc:
        await _refusal(exc.response)(scope, receive, send)
        return
    except (OSError, InvalidHandshake, InvalidURI) as exc:
        await away(exc)(scope, receive, send)
        return
    try:
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
        up = asyncio.create_task(_to_upstream(upstream, receive))
        down = asyncio.create_task(_to_client(upstream, send))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(up, down)
    finally:
        await upstream.close()
    for done in (up, down):
        if not done.cancelled():
            done.result()


def _refusal(refused: Refused) -> Response:
    response = Response(bytes(refused.body or b""), refused.status_code)
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in refused.headers.raw_items()]
    response.raw_headers = response_headers(raw)
    return response


async def _connect(url: str, scope: Scope) -> ClientConnection:
    target = scope["raw_path"].decode("latin-1")
    if query := scope["query_string"]:
        target += "?" + query.decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request_headers(scope)}
    parts = urlsplit(url)
    # The client's own Host goes to where we connect.
    return await connect(
        f"ws://{headers.pop('host', parts.netloc)}{target}",
        host=parts.hostname,
        port=parts.port,
        additional_headers=headers,
        subprotocols=[Subprotocol(name) for name in scope["subprotocols"]] or None,
        user_agent_header=None,
        compression=None,  # there is no network in between
        proxy=None,
        open_timeout=_OPEN_S,
        close_timeout=_CLOSE_S,
        max_size=_LARGEST,
    )


async def _to_upstream(upstream: ClientConnection, receive: Receive) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        try:
            await upstream.send(message["bytes"] if text is None else text)
        except ConnectionClosed:
            return
    code = int(message.get("code", CloseCode.NO_STATUS_RCVD))
    await upstream.close(_TO_UPSTREAM.get(code, code), message.get("reason") or "")


async def _to_client(upstream: ClientConnection, send: Send) -> None:
    with suppress(OSError):  # the client has left
        with suppress(ConnectionClosed):
            async for data in upstream:
                content = {"text": data} if isinstance(data, str) else {"bytes": data}
                await send({"type": "websocket.send", **content})
        code = upstream.close_code or CloseCode.ABNORMAL_CLOSURE
        reason = upstream.close_reason or ""
        await send({"type": "websocket.close", "code": _TO_CLIENT.get(code, code), "reason": reason})
