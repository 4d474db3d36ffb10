"""Error envelopes of the documented surfaces."""

from pydantic import BaseModel


class SessionError(BaseModel):
    """The sessions surface: a short title, and a sentence with the particulars."""

    error: str
    details: str


class JobError(BaseModel):
    """The jobs surfaces: one sentence."""

    detail: str
