"""Descriptions of operations: parameters, bodies, headers, and which bodies may be left out."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from runtime.http.openapi import Header, answer, inlined_schema, operation, query_parameters, request_body


class Inner(TypedDict):
    number: int


class Page(BaseModel):
    limit: Annotated[int, Field(ge=1, description="Most items.")] = 50
    name: str | None = Field(None, description="A name.")
    from_: str = Field(alias="from")
    order: Literal["asc", "desc"] = "asc"


class Required(BaseModel):
    inner: Inner


class Optional(BaseModel):
    inner: Inner | None = None


def test_parameters_are_optional_or_required_and_never_null() -> None:
    limit, name, start, order = query_parameters(Page)
    assert limit["schema"] == {"default": 50, "minimum": 1, "type": "integer"}
    assert (limit["in"], limit["required"], limit["description"]) == ("query", False, "Most items.")
    assert (name["name"], name["schema"]) == ("name", {"type": "string"})
    assert (start["name"], start["required"]) == ("from", True)
    assert [one["required"] for one in query_parameters(Page, ["name"])] == [False, True, True, False]
    assert order["schema"] == {"default": "asc", "enum": ["asc", "desc"], "type": "string"}


@pytest.mark.parametrize(
    ("body", "required"),
    [(Required, True), (Optional, False), (dict[str, Any], False), (list[Inner], True), (Any, False)],
)
def test_a_body_is_required_unless_an_empty_object_is_one(body: Any, required: bool) -> None:
    assert request_body(body)["requestBody"]["required"] is required


def test_schemas_refer_to_nothing_outside() -> None:
    assert "$ref" not in str(inlined_schema(Optional))
    assert inlined_schema(list[Inner])["items"]["properties"] == {
        "number": {"title": "Number", "type": "integer"}
    }


def test_an_operation_names_everything_it_takes_and_answers() -> None:
    sent, got = Header("Sent", "For us."), Header("Got", "From us.", {"type": "integer"}, always=True)
    described = operation(
        "read_thing",
        Inner,
        errors=(400, 503),
        query=Page,
        request=Required,
        request_headers=(sent,),
        response_headers=(got,),
        media={"text/csv": {"type": "string"}},
        others={202: answer(Inner)},
    )
    assert (described["operation_id"], described["summary"]) == ("read_thing", "Read thing")
    success = described["responses"][200]
    assert success["model"] is Inner
    assert success["headers"] == {
        "Got": {"description": "From us.", "required": True, "schema": {"type": "integer"}}
    }
    assert success["content"] == {"text/csv": {"schema": {"type": "string"}}}
    assert described["responses"].keys() == {200, 202, 400, 503}
    named = {(one["in"], one["name"]) for one in described["openapi_extra"]["parameters"]}
    assert named == {("query", name) for name in ("limit", "name", "from", "order")} | {("header", "Sent")}
    assert described["openapi_extra"]["requestBody"]["required"] is True
