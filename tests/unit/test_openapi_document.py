"""The documents of all surfaces: complete, with names that are unique, and made without any server."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from foldline.openapi_document import openapi_document
from foldline.surfaces import SURFACES, Surface

NAME = re.compile(r"[a-z]+(_[a-z]+)+")


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    return {surface.name: openapi_document(surface) for surface in SURFACES}


@pytest.fixture(params=SURFACES, ids=lambda surface: surface.name)
def surface(request: pytest.FixtureRequest) -> Surface:
    found: Surface = request.param
    return found


@pytest.fixture
def document(surface: Surface, documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return documents[surface.name]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and operation."""
    for path, found in document["paths"].items():
        for method, operation in found.items():
            yield path, method, operation


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert names
    assert [name for name, number in Counter(names).items() if number > 1] == []
    assert [name for name in names if not NAME.fullmatch(name)] == []
    for _, _, operation in operations(document):
        assert operation["summary"]
        assert operation["description"].endswith(".")
        assert operation["tags"]


def test_paths_differ_by_more_than_the_names_of_parameters(document: dict[str, Any]) -> None:
    shapes = Counter(re.sub(r"\{[^}]*\}", "{}", path) for path in document["paths"])
    assert max(shapes.values()) == 1


def test_every_answer_has_a_model(document: dict[str, Any], surface: Surface) -> None:
    error = {"$ref": f"#/components/schemas/{surface.envelope.model.__name__}"}
    invalid = {"400", "422"} - {str(surface.envelope.invalid)}
    for path, method, operation in operations(document):
        answers = operation["responses"]
        assert any(status.startswith("2") for status in answers)
        for status, answer in answers.items():
            where = f"{method} {path} {status}"
            assert answer["content"], where
            assert all(one["schema"] for one in answer["content"].values()), where
            if int(status) >= 400 and operation["operationId"] not in ("read_health", "read_readiness"):
                assert answer["content"] == {"application/json": {"schema": error}}, where
        # The time travel of the sessions reference has a 422 of its own.
        assert not invalid & answers.keys() or operation["operationId"] in ("read_session", "compare_session")


def test_references_lead_somewhere_and_nothing_is_left_over(document: dict[str, Any]) -> None:
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == document["components"]["schemas"].keys()
    assert "$defs" not in json.dumps(document)


def test_bodies_may_be_left_out_where_that_is_allowed(documents: dict[str, dict[str, Any]]) -> None:
    optional = {
        operation["operationId"]
        for document in documents.values()
        for _, _, operation in operations(document)
        if "requestBody" in operation and not operation["requestBody"]["required"]
    }
    assert optional == {
        "change_session_state",
        "end_session",
        "report_session_crash",
        "send_session_heartbeat",
        "retry_rejected_event",
        "rebuild_projection",
        "put_back_projection",
        "verify_projection",
    }


def test_a_centre_needs_the_site(documents: dict[str, dict[str, Any]]) -> None:
    for name, required in (("central", True), ("jobs", False)):
        parameters = documents[name]["paths"]["/v1/jobs"]["get"]["parameters"]
        assert [one["required"] for one in parameters if one["name"] == "site"] == [required]
