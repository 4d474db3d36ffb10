"""Requests that are made from a surface's OpenAPI document, and answers that are compared with it.

Half of the requests have values that exist where the document would take any, so that they find something.
Models forbid what they do not name, so that no field is served that is not described.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from tests.support.strict_schema import closed

Values = Mapping[str, Sequence[Any]]
"""Values that exist, by the name of a parameter, of a field of a body, or of an operation: whole bodies."""

_CHECKS: Final = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
_MOST_ITEMS: Final = 3  # of a batch: making requests takes longer than answering them
_FEW: Final = 4
_EVENTS: Final = "text/event-stream"
_METHODS: Final = ("get", "post", "delete")


@dataclass
class Conformance:
    """The operations of one surface; `statuses` has how often each answered with which status."""

    url: str
    values: Values
    document: dict[str, Any] = field(init=False)
    statuses: dict[str, Counter[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.document = httpx.get(f"{self.url}/openapi.json").json()
        self.statuses = defaultdict(Counter)

    def check(self, *, examples: int, last: Sequence[str] = (), slow: Collection[str] = ()) -> None:
        """Send `examples` requests to each operation, the `last` ones in their order, a few to `slow` ones.

        An answer without end is not asked for. Raises AssertionError, or a group of failures, for the first
        operation that answers differently from its description.
        """
        existing, any_ = self._operations(self.values), self._operations({})
        first = [name for name in any_ if name not in last]
        first.sort(key=lambda name: _METHODS.index(any_[name].method))
        with requests.Session() as session:
            for name in (*first, *last):
                number = _FEW if name in slow else examples
                for operation in (existing[name], any_[name]):
                    answering = _Answering(operation, session, self.statuses[name])
                    if operation is existing[name] and operation.method == "get":
                        answering.read()
                    answering.run((number + 1) // 2)

    def _operations(self, values: Values) -> dict[str, APIOperation]:
        schema = schemathesis.openapi.from_dict(_prepared(self.document, values))
        schema.config.update(base_url=self.url)
        return {_name(made.ok()): made.ok() for made in schema.get_all_operations()}


class _Answering:
    """One operation: sends it requests, asking for each of its media types in turn."""

    def __init__(self, operation: APIOperation, session: requests.Session, statuses: Counter[int]) -> None:
        self._operation = operation
        self._session = session
        self._statuses = statuses
        answers = operation.definition.raw["responses"]
        successes = [answer["content"] for status, answer in answers.items() if status.startswith("2")]
        self._media_types = sorted({one for content in successes for one in content if one != _EVENTS})

    def read(self) -> None:
        """Ask for what exists, with nothing that is optional, in every media type."""
        for number, _ in itertools.product(range(_FEW), self._media_types):
            asked: dict[str, dict[str, Any]] = {"path": {}, "query": {}}
            for one in self._operation.definition.raw.get("parameters", ()):
                if one["required"]:
                    values = one["schema"]["enum"]
                    asked[one["in"]][one["name"]] = values[number % len(values)]
            self._answer(self._operation.Case(path_parameters=asked["path"], query=asked["query"]))

    def run(self, examples: int) -> None:
        """Ask for whatever hypothesis makes of the description."""

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=self._operation.as_strategy())
        def answer(case: Case) -> None:
            self._answer(case)

        if self._media_types:
            answer()

    def _answer(self, case: Case) -> None:
        media_type = self._media_types[self._statuses.total() % len(self._media_types)]
        response = case.call(session=self._session, headers={"Accept": media_type}, timeout=60)
        self._statuses[response.status_code] += 1
        assert response.status_code < 500, f"{case.as_curl_command()}\n{response.text}"
        case.validate_response(response, checks=_CHECKS)


def _name(operation: APIOperation) -> str:
    return str(operation.definition.raw["operationId"])


def _prepared(document: dict[str, Any], values: Values) -> dict[str, Any]:
    made = document | {"components": closed(document["components"])}
    made["paths"] = {
        path: {method: _with_values(operation, values) for method, operation in operations.items()}
        for path, operations in document["paths"].items()
    }
    return made


def _with_values(operation: dict[str, Any], values: Values) -> dict[str, Any]:
    made = dict(operation)
    if "parameters" in operation:
        made["parameters"] = [
            one | {"schema": _one_of(values.get(one["name"]), one["schema"])}
            for one in operation["parameters"]
        ]
    if bodies := values.get(operation["operationId"]):
        content = {"application/json": {"schema": _one_of(bodies, {})}}
        made["requestBody"] = {"required": True, "content": content}
    elif "requestBody" in operation:
        made["requestBody"] = _body_with(operation["requestBody"], values)
    return made


def _body_with(value: Any, values: Values) -> Any:
    if isinstance(value, list):
        return [_body_with(one, values) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _body_with(one, values) for name, one in value.items()}
    if made.get("type") == "array":
        made["maxItems"] = min(made.get("maxItems", _MOST_ITEMS), _MOST_ITEMS)
    if isinstance(made.get("properties"), dict):
        made["properties"] = {
            name: _one_of(values.get(name), one) for name, one in made["properties"].items()
        }
    return made


def _one_of(values: Sequence[Any] | None, schema: dict[str, Any]) -> dict[str, Any]:
    return {"enum": list(values)} if values else schema


def operation_ids(document: dict[str, Any], method: str) -> Iterator[str]:
    """Yield the names of the operations of a method."""
    for operations in document["paths"].values():
        if method in operations:
            yield operations[method]["operationId"]
