"""Under what an event counts once: the message id its producer chose, within its entity."""

import hashlib
from typing import Final

from line.raw_event import RawEvent
from projections.projection import Key
from schemas.streams import STREAMS

_LEVELS: Final = frozenset(stream.name for stream in STREAMS if stream.newest_only)
Slot = tuple[str, str, str]
"""(site, id) of the entity and the message id, hashed."""


def slot_of(event: RawEvent, key: Key | None) -> Slot | None:
    """Under what an event of the entity `key` counts once; None: it has no id, or names no entity."""
    if event.stream in _LEVELS or key is None or (message_id := event.explicit_id()) is None:
        return None
    digest = hashlib.blake2b(message_id.encode(errors="surrogatepass"), digest_size=16)
    return *key, digest.hexdigest()
