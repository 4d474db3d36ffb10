"""Laws of JSON Merge Patch, and the examples of its RFC."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.binary_copy import json_size
from projections.sessions.merge_patch import Merging, merge_patch
from projections.sessions.state_size import growth
from schemas.sessions.facts import SessionState
from schemas.validation import InvalidFact
from tests.property.strategies import OBJECTS, SCALARS, STATES
from tests.reference.merge import merge

PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=5)


def nested(path: list[str], leaf: Any) -> dict[str, Any]:
    value: Any = leaf
    for key in reversed(path):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def at(state: Any, path: list[str]) -> Any:
    for key in path:
        if not isinstance(state, dict) or key not in state:
            return None
        state = state[key]
    return state


# RFC 7396, appendix A: original, patch, result.
EXAMPLES = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]


@pytest.mark.parametrize(("original", "patch", "result"), EXAMPLES)
def test_examples_of_the_rfc(original: str, patch: str, result: str) -> None:
    target, change, expected = json.loads(original), json.loads(patch), json.loads(result)
    if isinstance(change, dict):
        if isinstance(target, dict):
            assert merge_patch(target, change) == expected
    else:  # no patch of a whole state, by our own rule
        with pytest.raises(InvalidFact):
            SessionState.parse(patch.encode())
    # A member is changed as a whole document would be; null deletes it.
    inner = {} if expected is None else {"member": expected}
    assert merge_patch({"member": target}, {"member": change}) == inner


@given(STATES, OBJECTS)
def test_equals_the_reference(state: dict[str, Any], patch: dict[str, Any]) -> None:
    assert merge_patch(state, patch) == merge(state, patch)


@given(STATES)
def test_an_empty_patch_changes_nothing(state: dict[str, Any]) -> None:
    assert merge_patch(state, {}) == state


@given(STATES)
def test_a_state_is_its_own_patch_on_nothing(state: dict[str, Any]) -> None:
    assert merge_patch({}, state) == state


@given(STATES, OBJECTS)
def test_the_same_patch_twice_is_once(state: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(state, patch)
    assert merge_patch(once, patch) == once


@given(STATES, OBJECTS)
def test_neither_argument_is_changed(state: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((state, patch))
    merge_patch(state, patch)
    assert (state, patch) == before


@given(STATES, PATHS)
def test_null_deletes_at_every_depth(state: dict[str, Any], path: list[str]) -> None:
    assert at(merge_patch(state, nested(path, None)), path) is None


@given(STATES, PATHS, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)))
def test_scalars_and_arrays_are_replaced_whole(state: dict[str, Any], path: list[str], leaf: Any) -> None:
    assert at(merge_patch(state, nested(path, leaf)), path) == leaf


@given(STATES, OBJECTS)
def test_a_null_never_stays_outside_arrays(state: dict[str, Any], patch: dict[str, Any]) -> None:
    def no_nulls(value: Any) -> bool:
        return not isinstance(value, dict) or all(v is not None and no_nulls(v) for v in value.values())

    assert no_nulls(merge_patch(state, patch))


@given(STATES, OBJECTS)
def test_what_a_patch_does_not_name_stays(state: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = merge_patch(state, patch)
    assert {k: v for k, v in merged.items() if k not in patch} == {
        k: v for k, v in state.items() if k not in patch
    }


@given(STATES, st.lists(OBJECTS, max_size=5))
def test_many_patches_in_place_are_the_same_and_leave_the_first_state_alone(
    state: dict[str, Any], patches: list[dict[str, Any]]
) -> None:
    before = copy.deepcopy((state, patches))
    merging, merged, expected = Merging(), state, state
    for patch in patches:
        merged, expected = merging.merge(merged, patch), merge_patch(expected, patch)
        assert json.dumps(merged) == json.dumps(expected)  # keys in the same order, too
    assert (state, patches) == before


@given(STATES, st.lists(OBJECTS, max_size=5))
def test_the_growth_of_a_patch_is_exact(state: dict[str, Any], patches: list[dict[str, Any]]) -> None:
    for patch in patches:
        merged = merge_patch(state, patch)
        assert json_size(state) + growth(state, patch) == json_size(merged)
        state = merged
