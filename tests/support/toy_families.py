"""Toy families: users and their unique names on one stream, and tickets with slots."""

from typing import Any

from schemas.fact_body import FactBody, fact_type
from schemas.facts import Fact
from schemas.family import BodyAddress, FactType, Family
from schemas.registry import Registry
from schemas.streams import Stream
from schemas.subjects import Subject
from schemas.texts import IndexedText

ACCOUNTS = Stream(name="ACCOUNTS", shared=True)
TICKETS = Stream(name="TICKETS", days=1, mirrored=True)


class UserCreated(FactBody):
    """A user was created."""

    name: IndexedText


class NameClaimed(FactBody):
    """A name belongs to a user."""

    user: IndexedText


class TicketOpened(FactBody):
    """A ticket was opened."""

    ticket: IndexedText
    key: str | None = None


USER = Family(
    entity="user",
    facts=(fact_type("created", ACCOUNTS, UserCreated), fact_type("deleted", ACCOUNTS, FactBody)),
)
NAME = Family(entity="name", facts=(fact_type("claimed", ACCOUNTS, NameClaimed),))


def _address(body: TicketOpened) -> tuple[None, str, str]:
    return None, body.ticket, "opened"


def _guess(document: Any) -> Any:
    return document["ticket"]


TICKET = Family(
    entity="ticket",
    facts=(fact_type("opened", TICKETS, TicketOpened),),
    body_address=BodyAddress(read=_address, guess=_guess),
    body_key=lambda body: body.key,
    id_note="Any text.",
)
TOYS = Registry((USER, NAME, TICKET))


def another_fact(name: str, stream: Stream) -> FactType:
    """Return a fact with an empty body."""
    return fact_type(name, stream, FactBody)


def account_fact(entity: str, entity_id: str, fact: str, body: bytes, key: str) -> Fact:
    """Return a fact of a user or of a name, as admission would make it."""
    return Fact(Subject("local", entity, entity_id, fact), body, f"local:{entity}:{entity_id}:{key}", {})
