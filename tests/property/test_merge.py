"""Laws of the deep merge."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.sessions.merge import deep_merge
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


@given(STATES, OBJECTS)
def test_equals_the_reference(state: dict[str, Any], patch: dict[str, Any]) -> None:
    assert deep_merge(state, patch) == merge(state, patch)


@given(STATES)
def test_an_empty_patch_changes_nothing(state: dict[str, Any]) -> None:
    assert deep_merge(state, {}) == state


@given(STATES)
def test_a_state_is_its_own_patch_on_nothing(state: dict[str, Any]) -> None:
    assert deep_merge({}, state) == state


@given(STATES, OBJECTS)
def test_the_same_patch_twice_is_once(state: dict[str, Any], patch: dict[str, Any]) -> None:
    once = deep_merge(state, patch)
    assert deep_merge(once, patch) == once


@given(STATES, OBJECTS)
def test_neither_argument_is_changed(state: dict[str, Any], patch: dict[str, Any]) -> None:
    before = copy.deepcopy((state, patch))
    deep_merge(state, patch)
    assert (state, patch) == before


@given(STATES, PATHS)
def test_null_deletes_at_every_depth(state: dict[str, Any], path: list[str]) -> None:
    assert at(deep_merge(state, nested(path, None)), path) is None


@given(STATES, PATHS, st.one_of(SCALARS, st.lists(SCALARS, max_size=3)))
def test_scalars_and_arrays_are_replaced_whole(state: dict[str, Any], path: list[str], leaf: Any) -> None:
    assert at(deep_merge(state, nested(path, leaf)), path) == leaf


@given(STATES, OBJECTS)
def test_a_null_never_stays_outside_arrays(state: dict[str, Any], patch: dict[str, Any]) -> None:
    def no_nulls(value: Any) -> bool:
        return not isinstance(value, dict) or all(v is not None and no_nulls(v) for v in value.values())

    assert no_nulls(deep_merge(state, patch))


@given(STATES, OBJECTS)
def test_what_a_patch_does_not_name_stays(state: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = deep_merge(state, patch)
    assert {k: v for k, v in merged.items() if k not in patch} == {
        k: v for k, v in state.items() if k not in patch
    }
