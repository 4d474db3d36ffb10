"""What operators and tools ask for."""

import httpx

from tests.acceptance.sessions_api import SessionsApi


def test_alive_and_ready(api: SessionsApi) -> None:
    assert api.get("/health").keys() == {"status", "service", "version"}
    ready = api.get("/ready")
    names = ("nats", "event stream", "line", "database", "projection sessions", "projection jobs")
    checks = dict.fromkeys(names, "ok")
    assert ready == {"status": "ready", "reads": True, "writes": True, "checks": checks}


def test_numbers_for_prometheus(api: SessionsApi, session: str) -> None:
    answer = api.request("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "foldline_published_total" in answer.text
    samples = [line for line in answer.text.splitlines() if line.startswith("foldline_")]
    assert samples
    for line in samples:
        float(line.rpartition(" ")[2])


def test_the_openapi_document_names_every_path(api: SessionsApi) -> None:
    document = api.get("/openapi.json")
    assert document["openapi"].startswith("3.")
    assert document["paths"].keys() >= {
        "/api/data/sessions",
        "/api/sessions",
        "/api/timeseries",
        "/v1/rejected",
        "/v1/reactors",
        "/health",
        "/ready",
        "/metrics",
    }
    below = {"state", "events", "metrics", "heartbeat", "end", "crash", "history"}
    named = {path.rpartition("/")[2] for path in document["paths"] if path.startswith("/api/sessions/{")}
    assert named >= below
    references = [found for found in _references(document) if not _resolves(document, found)]
    assert references == []
    assert api.request("GET", "/docs").headers["content-type"].startswith("text/html")


def test_rejected_events_are_filtered(api: SessionsApi) -> None:
    page = api.get("/v1/rejected", limit=1)
    assert page.keys() == {"items", "total", "counts", "next_cursor"}
    assert page["total"] == sum(page["counts"].values())
    assert api.get("/v1/rejected", reason="no_such_reason")["items"] == []
    for wrong in ({"projection": "none"}, {"stream": "none"}, {"limit": 0}, {"cursor": "x"}):
        assert api.refused("GET", "/v1/rejected", 400, params=wrong)["error"] == "Invalid parameter"


def test_unreadable_requests_are_no_trouble(http: httpx.Client) -> None:
    for path in ("/api/data/sessions?product=%ff%fe", "/api/data/sessions?product=%ud800&x", "/?%", "/%"):
        assert http.get(path).status_code in (200, 400, 404)
    assert http.get("/api/data/sessions", params={"product": "x" * 30_000}).json() == []


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in _references(inner)]
    return [found for inner in value for found in _references(inner)] if isinstance(value, list) else []


def _resolves(document: object, reference: str) -> bool:
    for key in reference.removeprefix("#/").split("/"):
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True
