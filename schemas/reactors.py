"""The status of reactors, as operators read it: the same for the command line and over HTTP."""

from typing import Literal

from pydantic import BaseModel, Field

ReactorState = Literal["running", "paused", "failing", "not running"]


class Pause(BaseModel):
    """The pause of a reactor."""

    reason: str = Field(description="The reason that the operator gave.")
    since: str = Field(description="When it was paused, RFC 3339 in UTC.")


class Failure(BaseModel):
    """The last failure of a reactor; it may have succeeded since."""

    error: str = Field(description="Kind and text of the exception, cut at 500 characters.")
    at: str = Field(description="When it failed, RFC 3339 in UTC.")


class FailingEvent(BaseModel):
    """An event that a task reactor has tried at least five times in vain; it goes on trying."""

    stream: str
    sequence: int
    subject: str = Field(description="The subject as it is stored.")
    tries: int
    error: str = Field(description="Kind and text of the last exception.")
    at: str = Field(description="When it was last tried, RFC 3339 in UTC.")


class ReactorStatus(BaseModel):
    """One reactor. Times are RFC 3339 in UTC."""

    name: str
    kind: Literal["following", "task", "periodic"]
    about: str = Field(description="What it does, in one line.")
    state: ReactorState = Field(
        description="`not running`: no consumer has run it in the last seconds; `failing`: an event fails "
        "again and again, or the last batch or run failed."
    )
    streams: list[str] = Field(description="The streams that it reads.")
    setting: str | None = Field(description="The variable that enables it; null: nothing has to.")
    period_s: float | None = Field(description="Seconds between two runs of a periodic reactor, else null.")
    paused: Pause | None
    pending: int | None = Field(
        description="Events that it has not handled yet; null for a periodic one, or if it cannot be told."
    )
    last_success: str | None
    last_failure: Failure | None
    failing: list[FailingEvent] = Field(description="The oldest ten events that fail again and again.")
    failing_total: int = Field(description="The number of all such events.")


class ReactorList(BaseModel):
    """All reactors, in the order of their declarations."""

    reactors: list[ReactorStatus]


class ReactorChanged(BaseModel):
    """The answer to a pause or its end."""

    changed: bool = Field(description="False if it was so before.")
