"""The state filter: what it drops changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from producers.sidecar.daemon.state_filter import StateFilter
from projections.sessions.merge_patch import merge_patch

PATCHES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 2) | st.just(1.0),
        lambda inner: st.dictionaries(st.sampled_from("xy"), inner, max_size=2) | st.lists(inner, max_size=2),
        max_leaves=4,
    ),
)


@given(st.lists(PATCHES, max_size=8))
def test_what_the_filter_drops_changes_nothing(patches: list[dict[str, object]]) -> None:
    sent = StateFilter({})
    whole: dict[str, object] = {}
    filtered: dict[str, object] = {}
    for patch in patches:
        changes = sent.unsent(patch)
        sent.note_sent(changes)
        whole, filtered = merge_patch(whole, patch), merge_patch(filtered, changes)
        assert filtered == whole
        assert sent.unsent(patch) == {}


def test_a_filter_that_grew_too_large_begins_anew() -> None:
    sent = StateFilter({})
    sent.note_sent({"small": 1})
    sent.note_sent({"large": "x" * (1 << 20)})
    assert sent.unsent({"small": 1}) == {"small": 1}
    assert sent.values() == {}
