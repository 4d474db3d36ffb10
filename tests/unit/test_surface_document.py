"""The document of a surface: one router on surfaces with different envelopes, errors as each answers them."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Path, Response
from typing_extensions import TypedDict

from runtime.compat.fastapi_routes import add_routes
from runtime.http.envelopes import AGENTS, JOBS, SESSIONS, TRACES, Envelope
from runtime.http.openapi import answer, operation
from runtime.http.surface_app import surface_app


class Thing(TypedDict):
    number: int


def things() -> APIRouter:
    router = APIRouter(tags=["things"])

    @router.get("/things/{number}", **operation("read_thing", Thing, errors=(400, 404, 503)))
    async def read(number: Annotated[int, Path(ge=1)]) -> Response:
        return Response()

    @router.get("/health", **operation("read_health", Thing, others={503: answer(Thing)}))
    async def health() -> Response:
        return Response()

    @router.get("/metrics", **operation("read_metrics", media={"text/plain": {"type": "string"}}))
    async def metrics() -> Response:
        return Response()

    return router


ROUTER = things()


def document(envelope: Envelope) -> dict[str, Any]:
    app = surface_app("things", "Things", envelope)
    add_routes(app, ROUTER)
    return app.openapi()


@pytest.mark.parametrize(
    ("envelope", "model", "statuses"),
    [
        (SESSIONS, "SessionError", ["200", "400", "404", "503"]),
        (JOBS, "JobError", ["200", "404", "422", "503"]),
        (TRACES, "TraceError", ["200", "400", "404", "503"]),
        (AGENTS, "AgentError", ["200", "404", "422", "503"]),
    ],
    ids=["sessions", "jobs", "traces", "agents"],
)
def test_errors_are_those_of_the_envelope(envelope: Envelope, model: str, statuses: list[str]) -> None:
    made = document(envelope)
    answers = made["paths"]["/things/{number}"]["get"]["responses"]
    assert list(answers) == statuses
    for status, one in answers.items():
        schema = one["content"]["application/json"]["schema"]
        expected = "Thing" if status == "200" else model
        assert schema == {"$ref": f"#/components/schemas/{expected}"}
        assert ("Retry-After" in one.get("headers", {})) is (status == "503")
    nested = {"TraceErrorBody"} if envelope is TRACES else set()
    assert made["components"]["schemas"].keys() == {"Thing", model} | nested
    assert "#/$defs" not in str(made)


def test_an_answer_with_a_body_of_its_own_is_no_error_of_the_envelope() -> None:
    answers = document(SESSIONS)["paths"]["/health"]["get"]["responses"]
    assert answers["503"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Thing"}
    assert "Retry-After" not in answers["503"].get("headers", {})


def test_an_answer_that_is_no_json_has_no_schema_of_json() -> None:
    answers = document(JOBS)["paths"]["/metrics"]["get"]["responses"]
    assert {status: list(one["content"]) for status, one in answers.items()} == {"200": ["text/plain"]}
