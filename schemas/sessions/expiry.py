"""The end of a session as a fact: the same message id from every publisher, so the line keeps one."""

from datetime import datetime

from schemas.facts import EXPIRED, TIME, Fact, message_id
from schemas.subjects import Subject
from schemas.times import format_time


def expired(site: str, session_id: str, last_seq: int, now: datetime) -> Fact:
    """The expiry of a session whose newest fact is at `last_seq`.

    Publish it with that sequence expected: a session that was heard of meanwhile is left alone.
    """
    subject = Subject(site, "session", session_id, EXPIRED)
    return Fact(subject, b"{}", message_id(subject, f"expired:{last_seq}"), {TIME: format_time(now)})
