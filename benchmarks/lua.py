"""Scripts in Lua by which wrk makes requests for sessions and for their events."""

from typing import Final

_BODY: Final = (
    '{"name":"opened","level":"info","data":{"path":"/some/file/name.txt","n":12345},"category":"files"}'
)
_POST: Final = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
"""
_EVENTS: Final = (
    _POST
    + """
wrk.headers["Foldline-Wait"] = "%d"
local number = 0
local run = os.time() .. "-"
function request()
    number = number + 1
    wrk.headers["Idempotency-Key"] = run .. number
    return wrk.format(nil, "/api/sessions/bench-" .. (number %% %d) .. "/events")
end
"""
)
_GETS: Final = """
local number = 0
function request()
    number = number + 1
    return wrk.format("GET", "/api/sessions/%s-" .. (number %% %d))
end
"""


def post() -> str:
    """POST the body of an event, the same for every request."""
    return _POST % _BODY


def events(sessions: int, wait_ms: int) -> str:
    """POST an event to each of so many sessions in turn, each with an idempotency key of its own.

    `wait_ms`: how long an answer may wait until its event can be read.
    """
    return _EVENTS % (_BODY, wait_ms, sessions)


def gets(sessions: int, name: str = "bench") -> str:
    """GET each of so many sessions in turn; their ids begin with `name`."""
    return _GETS % (name, sessions)
