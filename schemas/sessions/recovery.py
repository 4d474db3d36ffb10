"""Conclusions about liveness, as facts.

Every publisher gives a conclusion the same message id, so that the line keeps one.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.facts import Fact, clock_headers, message_id
from schemas.sessions.facts import MACHINE_RETURNED, RECOVERED
from schemas.subjects import Subject


@dataclass(frozen=True, slots=True)
class HungSession:
    """A hung session, by the sequences of the fact that reported the hang and of its newest fact."""

    hung_seq: int
    last_seq: int


def recovered(site: str, session_id: str, hung_seq: int, at: datetime) -> Fact:
    """Return the recovery from the hang that was reported at `hung_seq`.

    Publish it with the session's last known sequence as the expected last one, so that it never follows facts
    which the publisher had not seen.
    """
    subject = Subject(site, "session", session_id, "event")
    body = {
        "name": RECOVERED,
        "level": "info",
        "category": "info",
        "data": {"hung_sequence": hung_seq},
    }
    return _conclusion(subject, body, f"recovered:{hung_seq}", at)


def machine_returned(site: str, session_id: str, machine_id: str, created_seq: int, at: datetime) -> Fact:
    """Return the crash of a silent session, concluded from its machine's next session, at `created_seq`."""
    subject = Subject(site, "session", session_id, "crashed")
    body = {"cause": "machine_returned", "reason": MACHINE_RETURNED, "machine_id": machine_id}
    return _conclusion(subject, body, f"machine-returned:{created_seq}", at)


def _conclusion(subject: Subject, body: dict[str, Any], key: str, at: datetime) -> Fact:
    text = json.dumps(body, separators=(",", ":"))
    return Fact(subject, text.encode(), message_id(subject, key), clock_headers(at))
