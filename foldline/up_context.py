"""The context of one `foldline up`: the options and ports that all its compositions share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Say = Callable[[str], None]
"""Shows an operator one line."""


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The arguments of this Python that run each worker; tests put stand-ins here."""

    api: Sequence[str] = ("-m", "foldline", "api")
    consumer: Sequence[str] = ("-m", "foldline", "consumer")
    sidecar: Sequence[str] = ("-m", "foldline", "sidecar")
    central: Sequence[str] = ("-m", "foldline", "central")


@dataclass(frozen=True, kw_only=True)
class UpContext:
    """Options of one `foldline up`, and the ports it has taken so far."""

    overrides: Mapping[str, str]  # variables the workers get on top of our own environment
    say: Say
    commands: Commands
    taken: set[int] = field(default_factory=set)
