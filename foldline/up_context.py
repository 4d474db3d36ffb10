"""The context of one `foldline up`: the options and ports that all its compositions share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Say = Callable[[str], None]
"""Shows an operator one line."""


COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    name: ("-m", "foldline", name) for name in ("api", "consumer", "sidecar", "central")
}
"""The arguments of this Python that run each of our processes."""


@dataclass(frozen=True, kw_only=True)
class UpContext:
    """Options of one `foldline up`, and the ports it has taken so far."""

    overrides: Mapping[str, str]  # variables the workers get on top of our own environment
    say: Say
    commands: Mapping[str, Sequence[str]]  # those of COMMANDS; tests put stand-ins here
    taken: set[int] = field(default_factory=set)
