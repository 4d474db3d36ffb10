"""Creates a session over HTTP: once, whoever else tries, with the same answer to every retry."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import UNSET
from pydantic_core import to_json

from line.messages import StoredMessage
from producers.admission import admit_fact
from producers.http.key_reuse import key_reused
from producers.http.session_surface import WriteSurface
from producers.http.write_headers import WriteHeaders
from producers.key_reuse import is_same_request
from producers.publishing.publisher import Conflict
from producers.publishing.requests import InDoubt
from runtime.http.errors import HttpProblem, unavailable
from schemas.errors import ErrorCode
from schemas.facts import EXPIRED, Fact, event_time, parse_fact
from schemas.headers import header
from schemas.positions import Position
from schemas.sessions.document import SessionDocument, snapshot
from schemas.sessions.facts import SessionCreated
from schemas.sessions.streams import SESSIONS
from schemas.stored_subjects import entity_filter, stored_form
from schemas.subjects import Subject, is_token, partition_of
from schemas.times import format_time
from schemas.validation import InvalidFact, parse_json

_NAMESPACE: Final = uuid.UUID("6c1c7f0e-0f1d-5c64-9a52-0f5b7f2f7a11")
_TRIES: Final = 5
_LOOK_TIMEOUT: Final = 2.0


@dataclass(frozen=True, slots=True)
class CreatedSession:
    """The document of a new session, and the position of its `created`."""

    document: SessionDocument
    position: Position


async def create_session(surface: WriteSurface, body: bytes, headers: WriteHeaders) -> CreatedSession:
    """Publish `created`. Raises InvalidFact, HttpProblem 409 when the session exists already, and 503."""
    settings, now = surface.settings, surface.now()
    parse_fact("session", "created", body, max_bytes=settings.max_body)
    session_id = _session_id(body, settings.site, headers.key)
    subject = Subject(settings.site, "session", session_id, "created")
    fact = admit_fact(
        subject, body, key=headers.key, headers=headers.passed_on, now=now, max_bytes=settings.max_body
    )
    expected = 0
    for _ in range(_TRIES):
        try:
            ack = await surface.publish(fact, expected_last=expected)
        except Conflict:
            pass
        else:
            if not ack.duplicate:
                return CreatedSession(_document(subject, body, fact.headers.get, now), ack.position)
        try:
            settled = await _resolve_conflict(surface, fact)
        except InDoubt as doubt:
            raise unavailable(f"the event stream does not answer: {doubt}") from doubt
        if isinstance(settled, CreatedSession):
            return settled
        expected = settled
    raise unavailable(f"session {session_id} is being written by other requests; try again")


def _session_id(body: bytes, site: str, key: str | None) -> str:
    wanted = parse_json(body).get("session_id")
    if wanted is None:
        # With a key the id follows from it: a retry, even days later, meets the session it made.
        return str(uuid.uuid4() if key is None else uuid.uuid5(_NAMESPACE, f"{site}:{key}"))
    if not isinstance(wanted, str) or not is_token(wanted):
        raise InvalidFact(
            "invalid_field",
            f"session_id: {str(wanted)[:50]!r} is not 1 to 128 characters of A-Z a-z 0-9 _ -",
        )
    return wanted


async def _resolve_conflict(surface: WriteSurface, fact: Fact) -> CreatedSession | int:
    """Return the answer of an earlier try, or the sequence after which `created` may follow.

    Raises HttpProblem 409 when another `created` made the session.
    """
    subject, partitions = fact.subject, surface.settings.partitions
    lookup = surface.publisher.stored_lookup
    whole = entity_filter(subject.site, subject.entity, subject.id, partitions)
    newest = await lookup.last(SESSIONS.name, whole, _LOOK_TIMEOUT)
    if newest is None or newest.fact == EXPIRED:
        return newest.sequence if newest else 0  # the id is free again
    first = await _first_created(surface, subject)
    if first is None:
        return newest.sequence  # opened by other facts: `created` fills in under them
    if first.message_id != fact.message_id:
        raise HttpProblem(ErrorCode.SESSION_EXISTS, f"There is a session with ID {subject.id}")
    if not is_same_request(first, fact):
        raise key_reused(first)
    position = Position(SESSIONS.name, partition_of(subject.id, partitions), first.sequence)
    return CreatedSession(
        _document(subject, first.body, partial(header, first.headers), first.stored_at), position
    )


async def _first_created(surface: WriteSurface, subject: Subject) -> StoredMessage | None:
    """Return the `created` that counts: later ones, and invalid ones published straight to NATS, do not."""
    address = stored_form(str(subject), surface.settings.partitions)
    sequence = 1
    while found := await surface.publisher.stored_lookup.next(
        SESSIONS.name, address, sequence, _LOOK_TIMEOUT
    ):
        try:
            model = parse_fact("session", "created", found.body, max_bytes=surface.settings.max_body)
            event_time(model, partial(header, found.headers), found.stored_at)
        except InvalidFact:
            sequence = found.sequence + 1
        else:
            return found
    return None


def _document(
    subject: Subject, body: bytes, find: Callable[[str], str | None], stored_at: datetime
) -> SessionDocument:
    """Return the document of a session that has nothing but its `created`, as a later GET shows it."""
    created = parse_fact("session", "created", body, max_bytes=len(body))
    if not isinstance(created, SessionCreated):
        raise TypeError(type(created))
    at = event_time(created, find, stored_at)
    state = {"product": created.product, "version": created.version}
    return SessionDocument(
        id=subject.id,
        session_id=subject.id,
        site=subject.site,
        created_at=at,
        updated_at=at,
        ended_at=None,
        last_heartbeat=UNSET,
        active=True,
        suspended=False,
        crashed=False,
        hung=False,
        machine_id=created.machine_id or None,
        hostname=created.hostname or None,
        state=state,
        events=[],
        metrics=[],
        state_history=to_json([snapshot(format_time(at), state)]),
    )
