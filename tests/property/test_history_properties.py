"""The served history is what anyone would compute patch by patch."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projections.sessions.history import Patch, read_patches, snapshots

KEYS = st.sampled_from(["a", "b", "product", "ü"])
SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3)
)
VALUES = st.recursive(
    st.one_of(st.none(), SCALARS),
    lambda inner: st.one_of(st.dictionaries(KEYS, inner, max_size=3), st.lists(inner, max_size=2)),
    max_leaves=8,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=3)
STEPS = st.lists(st.tuples(st.booleans(), BODIES), max_size=8)


def change(state: dict[str, Any], patch: dict[str, Any]) -> None:
    """Merge in place, as the reference describes it."""
    for key, value in patch.items():
        if value is None:
            state.pop(key, None)
        elif isinstance(value, dict):
            if not isinstance(state.get(key), dict):
                state[key] = {}
            change(state[key], value)
        else:
            state[key] = copy.deepcopy(value)


@given(STEPS)
def test_equals_the_naive_history(steps: list[tuple[bool, dict[str, Any]]]) -> None:
    state: dict[str, Any] = {}
    naive = []
    for under, body in steps:
        if under:
            beneath: dict[str, Any] = copy.deepcopy(body)
            change(beneath, state)
            state = beneath
        else:
            change(state, body)
        naive.append(copy.deepcopy(state))
    rows = [[n, f"t{n}", under, body] for n, (under, body) in enumerate(steps)]
    served = [json.loads(one.as_json()) for one in snapshots(read_patches(json.dumps(rows)))]
    assert served == [{"timestamp": f"t{n}", "state": state} for n, state in enumerate(naive)]


@given(STEPS)
def test_patches_are_left_alone(steps: list[tuple[bool, dict[str, Any]]]) -> None:
    patches = [Patch(n, "t", under, body) for n, (under, body) in enumerate(steps)]
    before = copy.deepcopy(patches)
    kept = [copy.deepcopy(one.state) for one in snapshots(patches)]
    assert patches == before
    assert [copy.deepcopy(one.state) for one in snapshots(patches)] == kept
