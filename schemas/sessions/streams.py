"""The streams of the session facts."""

from typing import Final

from schemas.streams import Stream

SESSIONS: Final = Stream(name="SESSIONS")
HEARTBEATS: Final = Stream(name="HEARTBEATS", newest_only=True)
