"""Headers that a relay passes on, by the rules for proxies (RFC 9110, section 7.6)."""

from collections.abc import Iterable
from typing import Final

from starlette.types import Scope

Headers = list[tuple[bytes, bytes]]

# They are about one connection and end with it. `Expect` is answered by the server in front.
_HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_HANDSHAKE: Final = b"sec-websocket-"
_VIA: Final = b"1.1 foldline"


def request_headers(scope: Scope) -> Headers:
    """Return the headers of a request to send on: with its own Host, and who asked of which host and how.

    Those of a WebSocket's handshake are left out; each connection has its own.
    """
    headers = [one for one in _end_to_end(scope["headers"]) if not one[0].startswith(_HANDSHAKE)]
    client, _ = scope.get("client") or ("unknown", 0)
    given = dict(headers)
    added = {
        b"via": _joined(given.get(b"via"), _VIA),
        b"x-forwarded-for": _joined(given.get(b"x-forwarded-for"), client.encode()),
        # A proxy in front of us knows better how the client asked.
        b"x-forwarded-host": given.get(b"x-forwarded-host") or given.get(b"host", b""),
        b"x-forwarded-proto": given.get(b"x-forwarded-proto") or _scheme(scope),
    }
    return [one for one in headers if one[0] not in added] + list(added.items())


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of an answer to send on. The server in front adds the date itself."""
    return [*((name, value) for name, value in _end_to_end(headers) if name != b"date"), (b"via", _VIA)]


def _end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in lowered
        if name == b"connection"
        for token in value.split(b",")
    }
    return [one for one in lowered if one[0] not in _HOP_BY_HOP and one[0] not in named]


def _joined(before: bytes | None, own: bytes) -> bytes:
    return b"%b, %b" % (before, own) if before else own


def _scheme(scope: Scope) -> bytes:
    return b"https" if scope.get("scheme") in ("https", "wss") else b"http"
