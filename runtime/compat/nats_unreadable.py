"""A patch of nats-py, which survives messages it cannot read. Imported for its effect before connecting."""

from nats.aio.client import Client
from nats.aio.msg import Msg

from runtime.compat.nats_client import readable

_build_message = Client._build_message
_process_headers = Client._process_headers


def _build_readable_message(  # noqa: PLR0917 - the client's own signature
    client: Client, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
) -> Msg:
    message: Msg = _build_message(client, sid, readable(subject).encode(), reply, data, headers)
    return message


async def _process_readable_headers(client: Client, headers: bytes) -> dict[str, str] | None:
    try:
        return await _process_headers(client, headers)
    except ValueError:
        return None


# NATS takes any bytes in a subject, but nats-py decodes them outside of its error handling: one message that
# is not UTF-8 would end the reading of its connection, and again after every reconnect. FastStream makes its
# own clients, hence the class is patched. The validator refuses such a subject later, like any other.
Client._build_message = _build_readable_message  # type: ignore[method-assign, assignment]
Client._process_headers = _process_readable_headers  # type: ignore[method-assign, assignment]
