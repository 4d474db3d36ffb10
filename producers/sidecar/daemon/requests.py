"""What applications send to the session daemon, for OpenAPI: the facts' bodies, and the session's id.

The routes read plain JSON, since a report is published with the fields that are unknown here.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from producers.sidecar.daemon.counters import Increment
from producers.sidecar.daemon.histograms import Observation
from schemas.sessions.facts import SessionEvent, SessionMetric, WrappedState


class SessionQuery(BaseModel):
    """The query of `GET /session`."""

    session_id: str = Field(min_length=1, description="The text that `POST /register` answered.")


class SessionReport(BaseModel):
    """A report on a session."""

    session_id: Annotated[str, Field(min_length=1)]


class StateReport(SessionReport, WrappedState):
    """A change of a session's state."""


class EventReport(SessionReport, SessionEvent):
    """An event of a session."""


class MetricReport(SessionReport, SessionMetric):
    """A metric of a session, sent as it is."""


class IncrementReport(SessionReport, Increment):
    """An increment of a counter, whose total is sent later."""


class ObservationReport(SessionReport, Observation):
    """A value of a histogram, which is sent later."""
