"""The deduplication key of an event: the message id its producer chose, within its entity."""

import hashlib
from datetime import timedelta
from typing import Final

from line.raw_event import RawEvent
from projections.projection import Key
from schemas.registry import DECLARED

_LATEST_ONLY: Final = DECLARED.latest_only

MESSAGE_ID_WINDOW: Final = timedelta(days=7)
"""An entity counts the same message id once within this span of store time."""

DedupKey = tuple[str, str, str]
"""(site, id) of the entity and the message id, hashed: an event counts once under it."""


def dedup_key_of(event: RawEvent, key: Key | None) -> DedupKey | None:
    """Return the deduplication key of an event of the entity `key`.

    None when the event has no message id that its producer chose, when it names no entity, or when its stream
    keeps only the newest message of a subject.
    """
    if event.stream in _LATEST_ONLY or key is None or (message_id := event.explicit_id()) is None:
        return None
    digest = hashlib.blake2b(message_id.encode(errors="surrogatepass"), digest_size=16)
    return *key, digest.hexdigest()
