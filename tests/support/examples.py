"""The number of examples that a property is tried with."""

from typing import Any

from hypothesis import settings

_USUAL = 100  # examples of a property that names no number, in every profile but `quick`


def examples(count: int, **more: Any) -> settings:
    """Return Hypothesis settings for `count` examples, of which the profile `quick` takes a tenth."""
    return settings(max_examples=count * settings.default.max_examples // _USUAL, **more)
