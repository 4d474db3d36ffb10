"""The `expired` fact of a session.

Every publisher gives it the same message id, so that the line keeps one.
"""

from datetime import datetime

from schemas.facts import EXPIRED, Fact, clock_headers, message_id
from schemas.subjects import Subject


def expired(site: str, session_id: str, last_seq: int, now: datetime) -> Fact:
    """Return the expiry of a session whose newest fact is at `last_seq`.

    Publish it with that sequence as the expected last one: then a session with newer facts does not expire.
    """
    subject = Subject(site, "session", session_id, EXPIRED)
    return Fact(subject, b"{}", message_id(subject, f"expired:{last_seq}"), clock_headers(now))
