"""JetStream's delivery metadata: positions in reply subjects, and status messages."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from msgspec import Struct
from nats.aio.msg import Msg

_V1_TOKENS: Final = 9


class Delivery(Struct, frozen=True, gc=False):
    """The place of a delivered message on its stream and in its consumer."""

    sequence: int
    consumer_sequence: int
    stored_at: datetime
    pending: int  # messages stored for the consumer beyond this one


def parse_delivery(reply: str) -> Delivery:
    """Read `$JS.ACK.…`, of which there is a short and a long form (with domain and account)."""
    tokens = reply.split(".")
    first = 5 if len(tokens) == _V1_TOKENS else 7
    # A float holds a time to the microsecond until 2106, and no other way to a datetime is half as fast.
    stored_at = datetime.fromtimestamp(int(tokens[first + 2]) // 1_000 / 1e6, UTC)
    return Delivery(int(tokens[first]), int(tokens[first + 1]), stored_at, int(tokens[first + 3]))


class StatusMessage(NamedTuple):
    """A message about the subscription itself, not from the stream."""

    code: str
    description: str
    unused: int  # messages of the request it ends that were asked for and not delivered

    @property
    def is_heartbeat(self) -> bool:
        return self.code == "100"

    @property
    def ends_request(self) -> bool:
        """The request is over but the consumer lives: expired, or its bytes are used up."""
        return self.code in ("404", "408") or (
            self.code == "409" and self.description.startswith(("Message Size", "Batch Completed"))
        )


def parse_status(message: Msg) -> StatusMessage | None:
    """The status a message carries; None for one from the stream."""
    headers = message.headers
    if message.reply.startswith("$JS.ACK.") or not headers or "Status" not in headers:
        return None
    unused = headers.get("Nats-Pending-Messages", "0")
    # The client takes headers that follow the status line for part of the description.
    description = headers.get("Description", "").partition("\r\n")[0].partition("\n")[0]
    return StatusMessage(headers["Status"], description, int(unused))
