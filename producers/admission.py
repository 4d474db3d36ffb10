"""Admission: checks what a producer sent and makes a fact of it, with its message id and its time."""

import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from schemas.facts import (
    AUTO,
    TIME,
    Fact,
    check_subject,
    clock_headers,
    event_time,
    message_id,
    own_key,
    parse_fact,
)
from schemas.family import Body
from schemas.subjects import Subject
from schemas.validation import MAX_FACT_BYTES, InvalidFact

_KEY: Final = re.compile(r"[!-~]{1,256}")


def admit_fact(
    subject: Subject,
    body: bytes,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    now: datetime,
    max_bytes: int = MAX_FACT_BYTES,
) -> Fact:
    """Validate `body` and make a fact of its bytes as they are. Raises InvalidFact.

    `key` is the producer's idempotency key. The event time is the body's, else that of `headers`, else `now`.
    """
    model = parse_fact(subject.entity, subject.fact, body, max_bytes=max_bytes)
    check_subject(subject, model)
    if key is None:
        key = own_key(subject, model)
    return admit_validated(subject, body, model, key=key, headers=headers, now=now)


def admit_validated(
    subject: Subject,
    body: bytes,
    model: Body,
    *,
    key: str | None,
    headers: Mapping[str, str] | None,
    now: datetime,
) -> Fact:
    """Make a fact of a body that `model` has validated already. Raises InvalidFact."""
    headers = dict(headers) if headers else {}
    if model.timestamp is not None or TIME in headers:
        event_time(model, headers.get, now)
    else:
        headers |= clock_headers(now)
    return Fact(subject, body, _message_id(subject, key), headers)


def _message_id(subject: Subject, key: str | None) -> str:
    if key is None:
        return AUTO + os.urandom(16).hex()
    if _KEY.fullmatch(key) is None:
        raise InvalidFact(
            "invalid_key",
            f"Idempotency-Key: {key[:50]!r} is not 1 to 256 printable ASCII characters without spaces",
        )
    return message_id(subject, key)
