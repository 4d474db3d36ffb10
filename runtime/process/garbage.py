"""Python's cycle collector, for processes that handle many small things."""

import gc
from typing import Final

_YOUNG: Final = 100_000
_OLDER: Final = 20


def collect_rarely() -> None:
    """Look for garbage cycles after 100,000 new objects instead of 700.

    A batch makes some 50 objects an event, a request some hundreds, with hardly a cycle, and lets them all go
    at its end: looking at them in between took a sixth of the processor.
    """
    gc.collect()
    gc.freeze()  # modules and classes stay for good
    gc.set_threshold(_YOUNG, _OLDER, _OLDER)
