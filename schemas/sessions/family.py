"""The family of sessions."""

from typing import Final

from schemas.family import Family
from schemas.sessions.facts import FACTS

SESSION: Final = Family(entity="session", facts=FACTS)
