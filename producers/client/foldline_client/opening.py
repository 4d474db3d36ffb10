"""Opens sessions, for sync and async clients alike."""

import socket
import uuid
from typing import Any

from foldline_client.bodies import required
from foldline_client.http_transport import HttpTransport
from foldline_client.items import CREATED, SessionRef, time_text
from foldline_client.jsontext import encode, indexed
from foldline_client.nats_transport import NatsTransport
from foldline_client.options import TOKEN, Options, scheme_of
from foldline_client.pump import Pump


def make_pump(url: str, options: Options) -> Pump:
    """Make a pump that sends over NATS or HTTP, by the URL's scheme. Raises ValueError for another one."""
    if scheme_of(url) == "nats":
        return Pump(NatsTransport(url, options), options)
    return Pump(HttpTransport(url, options), options)


def api_of(url: str, options: Options) -> str | None:
    """Return the address of the API where sessions can be read, if there is one."""
    return options.api_url or (url if scheme_of(url) == "http" else None)


def open_session(
    pump: Pump,
    url: str,
    product: str,
    version: str,
    hostname: str | None,
    machine_id: str | None,
    session_id: str | None,
) -> SessionRef:
    """Put a session's first fact into the buffer. Raises TypeError or ValueError for wrong arguments."""
    if session_id is not None and not TOKEN.fullmatch(session_id):
        raise ValueError(f"session_id {session_id!r} is not 1 to 128 characters of A-Z a-z 0-9 _ -")
    ref = SessionRef(session_id or str(uuid.uuid4()))
    body: dict[str, Any] = {
        "product": required("product", product),
        "version": required("version", version),
        "hostname": indexed(socket.gethostname() if hostname is None else hostname),
        "machine_id": None if machine_id is None else indexed(machine_id),
    }
    if scheme_of(url) == "http":
        body["session_id"] = ref.id
    pump.submit(ref, CREATED, encode({key: value for key, value in body.items() if value}), at=time_text())
    return ref
