"""A wall clock that a test sets: the seconds in the file CLOCK_OFFSET are added; monotonic clocks stay.

Python imports this module first when its folder is on PYTHONPATH.
"""

import ctypes
import datetime
import gc
import os
import time
from pathlib import Path

_FILE = Path(os.environ["CLOCK_OFFSET"])
_time, _time_ns, _monotonic = time.time, time.time_ns, time.monotonic
_read = {"at": -1.0, "offset": 0}


def _offset() -> int:
    if _monotonic() - _read["at"] > 0.02:
        _read.update(at=_monotonic(), offset=int(_FILE.read_text() or 0))
    return int(_read["offset"])


def _now(cls: type[datetime.datetime], tz: datetime.tzinfo | None = None) -> datetime.datetime:
    return cls.fromtimestamp(time.time(), tz)


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 1_000_000_000
# datetime is written in C and closed to assignment, but for the dictionary behind it.
gc.get_referents(datetime.datetime.__dict__)[0]["now"] = classmethod(_now)
ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))
