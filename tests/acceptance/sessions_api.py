"""A client of the sessions API whose every call says what it expects."""

from typing import Any

import httpx

from tests.acceptance.calls import WRITTEN, create, problem, read
from tests.support.waiting import wait_until_sync


class SessionsApi:
    """The documented endpoints, none of which may answer with a 500."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Return the answer to one request, whatever it is."""
        response = self.http.request(method, path, **how)
        assert response.status_code != 500, f"{method} {path}: {response.text}"
        return response

    def create(self, **body: Any) -> str:
        """Create a session and return its id."""
        return create(self.http, **body)

    def write(self, session_id: str, what: str, body: Any = None, **headers: str) -> httpx.Response:
        """Write, and assert success and readability. `Foldline_Time=` gives the header `Foldline-Time`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.request("POST", f"/api/sessions/{session_id}/{what}", json=body, headers=named)
        assert (response.status_code, response.json()) == (200, WRITTEN), response.text
        assert "Foldline-Projected" not in response.headers
        return response

    def get(self, path: str, **params: Any) -> Any:
        """Return what a GET answers."""
        response = self.request("GET", path, params=params or None)
        assert response.status_code == 200, response.text
        return response.json()

    def session(self, session_id: str, *positions: str) -> dict[str, Any]:
        """Return the whole session, not older than `positions`."""
        return read(self.http, session_id, *positions)

    def until(self, session_id: str, **fields: Any) -> dict[str, Any]:
        """Wait until the session has these fields with these values, and return it."""

        def matching() -> dict[str, Any]:
            answer = self.request("GET", f"/api/sessions/{session_id}")
            document: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
            return document if document | fields == document else {}

        return wait_until_sync(matching, what=f"{session_id} with {fields}")

    def refused(self, method: str, path: str, status: int, **how: Any) -> dict[str, str]:
        """Return the error of a request that is refused in the documented envelope."""
        response = self.request(method, path, **how)
        error = str(response.json()["error"])
        return {"error": error, "details": problem(response, status, error)}


def names(items: list[dict[str, Any]]) -> list[str]:
    """Return the names of events or metrics, in their order."""
    return [item["name"] for item in items]
