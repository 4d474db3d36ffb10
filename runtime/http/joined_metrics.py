"""Metrics of two processes in one text, as Prometheus reads it."""

from collections.abc import Iterator
from typing import Final

_ABOUT: Final = (b"# HELP ", b"# TYPE ")


def join_metrics(own: bytes, others: bytes, process: str) -> bytes:
    """Return all metrics of both texts, each family once.

    Samples of the other process carry the label `process` where we have the family as well: two of the same
    name and labels are not allowed.
    """
    theirs = _families(others)
    label = b'process="%b"' % process.encode()
    joined: list[bytes] = []
    for name, lines in _families(own).items():
        joined += lines
        joined += (_labelled(line, label) for line in theirs.pop(name, ()) if not line.startswith(b"#"))
    for lines in theirs.values():
        joined += lines
    return b"\n".join(joined) + b"\n"


def _families(text: bytes) -> dict[bytes, list[bytes]]:
    """Return the lines of each family, by its name."""
    families: dict[bytes, list[bytes]] = {}
    for name, line in _named(text):
        families.setdefault(name, []).append(line)
    return families


def _named(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield every line with the name of its family, which the lines about it name before its samples."""
    family = b""
    for line in text.splitlines():
        if line.startswith(_ABOUT):
            family = line.split(b" ", 3)[2]
        if line:
            yield family, line


def _labelled(sample: bytes, label: bytes) -> bytes:
    name, brace, rest = sample.partition(b"{")
    if brace and b" " not in name:
        return b"%b{%b,%b" % (name, label, rest)
    name, _, value = sample.partition(b" ")
    return b"%b{%b} %b" % (name, label, value)
