"""Deduplication: an entity counts a key once, however often an event with it was stored.

The key is the idempotency key in an event's body, else the message id that its producer chose. The key is
taken for seven days of store time: the same event again is a repetition, another one is rejected.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from line.raw_event import RawEvent
from projections.recorded import Recorded
from schemas.fact_digest import fact_digest
from schemas.facts import RETRY_OF, message_id, own_key
from schemas.headers import header
from schemas.registry import DECLARED
from schemas.subjects import token_of
from schemas.validation import InvalidFact

_LATEST_ONLY: Final = DECLARED.latest_only

MESSAGE_ID_WINDOW: Final = timedelta(days=7)
"""An entity counts the same key once within this span of store time."""

DedupKey = tuple[str, str, str]
"""(site, id) of the entity and the message id, hashed: an event counts once under it."""


class KeyUse(Struct, frozen=True, gc=False):
    """The use of a deduplication key by a stored event. `digest` is that of the fact, see fact_digest."""

    key: DedupKey
    partition: int
    sequence: int
    stored_at: datetime
    digest: int

    def is_repeated_by(self, later: "KeyUse") -> bool:
        """Whether a later event is this one again; the key is free after the window.

        Raises InvalidFact when it is another one under the same key.
        """
        if later.stored_at - self.stored_at > MESSAGE_ID_WINDOW:
            return False
        if later.digest != self.digest:
            raise InvalidFact(
                "key_reused",
                f"the idempotency key was used at sequence {self.sequence} for another event: use a new key "
                "for each event",
            )
        return True


def dedup_key_of(raw: RawEvent, event: Recorded) -> DedupKey | None:
    """Return the deduplication key of an event; None if it has no key.

    An event that corrects a rejected one counts under its own message id: the key in its body may be taken.
    None as well for streams that keep only the newest message of a subject.
    """
    subject = event.subject
    if raw.stream in _LATEST_ONLY:
        return None
    key = None if header(raw.headers, RETRY_OF) is not None else own_key(subject, event.body)
    if key is not None:
        text: str | None = message_id(subject.of(token_of(event.key[1])), key)
    else:
        text = raw.explicit_id()
    if text is None:
        return None
    return *event.key, hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def key_use_of(raw: RawEvent, event: Recorded) -> KeyUse | None:
    """Return the use that an event makes of its deduplication key; None if it has none."""
    key = dedup_key_of(raw, event)
    if key is None:
        return None
    subject = event.subject
    digest = fact_digest(subject.entity, subject.fact, raw.body)
    return KeyUse(key, raw.partition, raw.sequence, raw.stored_at, digest)
