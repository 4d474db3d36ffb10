"""Error envelopes of the documented surfaces."""

from pydantic import BaseModel


class SessionError(BaseModel):
    """An error of the sessions surface: a short title, and a sentence with the particulars."""

    error: str
    details: str


class JobError(BaseModel):
    """An error of the jobs surfaces: one sentence."""

    detail: str
