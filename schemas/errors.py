"""Errors of the HTTP surfaces: their codes, and the body that each surface documents."""

from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, Field


class ErrorCode(StrEnum):
    """Every machine-readable code, with its HTTP status and a few words for people.

    `status` is None for invalid input: each surface has a status of its own for that.
    """

    status: int | None
    summary: str

    def __new__(cls, code: str, status: int | None, summary: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.status = status
        member.summary = summary
        return member

    INVALID_REQUEST = "invalid_request", None, "Invalid request"
    INVALID_PARAMETER = "invalid_parameter", None, "Invalid parameter"
    MISSING_FIELD = "missing_field", None, "Missing required field"
    INVALID_FIELD = "invalid_field", None, "Invalid request"
    INVALID_HEADER = "invalid_header", None, "Invalid request"
    INVALID_JSON = "invalid_json", None, "Invalid request"
    INVALID_KEY = "invalid_key", None, "Invalid request"
    INVALID_NUMBER = "invalid_number", None, "Invalid request"
    INVALID_SUBJECT = "invalid_subject", None, "Invalid request"
    INVALID_TEXT = "invalid_text", None, "Invalid request"
    INVALID_TIME = "invalid_time", None, "Invalid request"
    TIME_IN_FUTURE = "time_in_future", None, "Invalid request"
    INVALID_POSITION = "invalid_position", None, "Invalid request"
    MISSING_SESSION_ID = "missing_session_id", None, "Missing session_id parameter"
    NOT_RETRYABLE = "not_retryable", None, "Invalid request"
    TOO_DEEP = "too_deep", None, "Invalid request"
    TOO_MANY = "too_many", None, "Invalid request"
    UNKNOWN_FACT = "unknown_fact", None, "Invalid request"
    WRONG_SITE = "wrong_site", None, "Invalid request"
    WRONG_SUBJECT = "wrong_subject", None, "Invalid request"
    MALFORMED_REQUEST = "malformed_request", 400, "Invalid request"
    UNAUTHORIZED = "unauthorized", 401, "Unauthorized"
    FORBIDDEN = "forbidden", 403, "Forbidden"
    NOT_FOUND = "not_found", 404, "Not found"
    SESSION_NOT_FOUND = "session_not_found", 404, "Session not found"
    JOB_NOT_FOUND = "job_not_found", 404, "Job not found"
    SITE_NOT_FOUND = "site_not_found", 404, "Site not found"
    UNKNOWN_PROJECTION = "unknown_projection", 404, "Unknown projection"
    UNKNOWN_REACTOR = "unknown_reactor", 404, "Unknown reactor"
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "Method not allowed"
    CONFLICT = "conflict", 409, "Conflict"
    SESSION_EXISTS = "session_exists", 409, "Session already exists"
    AMBIGUOUS_SESSION_ID = "ambiguous_session_id", 409, "Ambiguous session ID"
    AMBIGUOUS_JOB_ID = "ambiguous_job_id", 409, "Ambiguous job ID"
    KEY_REUSED = "key_reused", 409, "Idempotency-Key already used"
    STATE_TOO_LARGE = "state_too_large", 409, "State too large"
    TOO_LARGE = "too_large", 413, "Request body too large"
    UNSUPPORTED_ENCODING = "unsupported_encoding", 415, "Unsupported content encoding"
    TOO_MANY_FACTS = "too_many_facts", 422, "Too many facts"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded", 429, "Rate limit exceeded"
    INTERNAL_ERROR = "internal_error", 500, "Internal server error"
    UNAVAILABLE = "unavailable", 503, "Service unavailable"


_CODES: Final = {code.value: code for code in ErrorCode}


def error_code(reason: str) -> ErrorCode:
    """Return the code of a reason for a refusal; reasons that only a fold has are no codes."""
    return _CODES.get(reason, ErrorCode.INVALID_REQUEST)


class SessionError(BaseModel):
    """An error of the sessions surface: a short title, and a sentence with the particulars."""

    error: str
    details: str
    retry_after: int | None = Field(None, description="Seconds; with 429 only.")


class JobError(BaseModel):
    """An error of the jobs surfaces: one sentence."""

    detail: str


class TraceErrorBody(BaseModel):
    """What was wrong with a request to the traces surface."""

    code: str
    message: str
    details: dict[str, Any] | None = Field(None, description="Particulars of this code, if it has any.")
    retry_after: int | None = Field(None, description="Seconds; with 429 only.")


class TraceError(BaseModel):
    """An error of the traces surface."""

    error: TraceErrorBody


class AgentError(BaseModel):
    """An error of the agents surface: one sentence, and with every status but 429 its code and the time."""

    detail: str
    error_code: str | None = Field(None, description="In capitals; absent with 429.")
    timestamp: str | None = Field(None, description="RFC 3339; absent with 429.")
    retry_after: int | None = Field(None, description="Seconds; with 429 only.")
