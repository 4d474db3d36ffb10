"""Events as far as they can be taken without any state: decoded, and their message ids hashed."""

from msgspec import Struct

from line.raw_event import RawEvent
from projections.dedup_key import Slot, slot_of
from projections.recorded import Recorded, Rejection, decode, reject
from schemas.validation import InvalidFact


class Prepared(Struct, frozen=True, gc=False):
    """An event, what it says or why it is rejected, and the id under which it counts once, if it has one."""

    raw: RawEvent
    event: Recorded | Rejection
    slot: Slot | None


def prepare(raw: RawEvent) -> Prepared:
    """A pure function of the stored message."""
    event: Recorded | Rejection
    try:
        event = decode(raw)
        key: tuple[str, str] | None = event.key
    except InvalidFact as exc:
        event = reject(raw, exc)
        key = raw.key()
    return Prepared(raw, event, slot_of(raw, key))
