"""A declared stream compared with the server's: what may be added to it, and what has to be mended by hand.

A stream may grow. What the declaration has beyond the server is added at start; facts and features that the
server has beyond it come from a newer program, and are no difference for an older one.
"""

from typing import Any, Final, NamedTuple

from schemas.subjects import overlaps

_EDIT: Final = "edit it back (`nats stream edit`)"
_LIMIT: Final = f"removes the oldest facts, which a rebuild needs: {_EDIT}"
ADVICE: Final = {
    "subjects": "which facts it takes, and of which sites: set FOLDLINE_SITE and FOLDLINE_OWN_SITE_ONLY as "
    "they were when it was made, or move to new streams",
    "retention": "`limits` keeps a fact until it is purged or too old, any other policy removes what was "
    f"read: {_EDIT} before a consumer reads it",
    "storage": "an acknowledged fact is on disk only with `file`, and storage cannot be edited: move to new "
    "streams",
    "discard": f"with `new` a stream that is full refuses facts: {_EDIT}",
    "num_replicas": "copies of each fact in the cluster; fewer than there are is never applied: raise "
    "FOLDLINE_STREAM_REPLICAS, or take copies away yourself (`nats stream edit`)",
    "max_msgs_per_subject": f"1 keeps the newest fact of each subject alone, -1 keeps all: {_EDIT}, and "
    "rebuild if facts are gone",
    "max_age": "how long a fact is kept, nanoseconds, 0 for ever; read models are rebuilt from what is kept: "
    f"{_EDIT}",
    "max_msgs": f"a limit on messages {_LIMIT}",
    "max_bytes": f"a limit on bytes {_LIMIT}",
    "max_msg_size": f"a fact that is too large must be stored to be seen and set aside: {_EDIT}",
    "duplicate_window": f"how long a message id is known, nanoseconds; retries rely on it: {_EDIT}",
    "subject_transform": "inserts the partition, and FOLDLINE_PARTITIONS is fixed for good: set it as it was "
    "when the stream was made, or move to new streams",
    "mirror": "the stream that it copies, of which site: set FOLDLINE_SITES as it was, or delete this copy, "
    "which is then made anew from its site",
}
"""What each field means, and what to do when it differs; the features in `_FLAGS` are never taken away."""

_FLAGS: Final = ("allow_direct", "allow_atomic")


class Comparison(NamedTuple):
    """What a stream lacks and may be given at once, and the differences that are errors, a sentence each."""

    additions: dict[str, Any]
    problems: list[str]


def compare(declared: dict[str, Any], actual: dict[str, Any]) -> Comparison:
    """Compare a declared configuration with the server's. Fields that are not declared do not count."""
    found = Comparison({}, [])
    for field, want in declared.items():
        have = actual.get(field)
        if (added := _addition(field, want, have)) is not None:
            found.additions[field] = added
        elif not _is_served(field, want, have):
            found.problems.append(
                f"stream {declared['name']}: {field} is {have!r}, declared {want!r} ({ADVICE[field]})"
            )
    return found


def describe(additions: dict[str, Any], actual: dict[str, Any]) -> str:
    """Return what is added to a stream, for the log."""
    parts = []
    for field, value in additions.items():
        if field == "subjects":
            parts.append(f"takes {', '.join(one for one in value if one not in actual[field])} as well")
        else:
            parts.append(f"{field} is {value}, was {actual.get(field)}")
    return "; ".join(parts)


def _addition(field: str, want: Any, have: Any) -> Any:
    """Return the value to give a field by which a stream only grows; None if there is none."""
    if field == "subjects" and isinstance(have, list):
        missing = [subject for subject in want if subject not in have]
        grows = missing and not _disputed(want, have)
        return [*have, *missing] if grows else None
    if field == "num_replicas" and have < want:
        return want
    return True if field in _FLAGS and want and not have else None


def _is_served(field: str, want: Any, have: Any) -> bool:
    """Whether a field with nothing to be added is as declared, or has more."""
    if field == "subjects":
        return have is not None and not _disputed(want, have)
    if field == "mirror":
        return have is not None and _address(want) == _address(have)
    return field in _FLAGS or (have or None) == (want or None)


def _disputed(want: list[str], have: list[str]) -> bool:
    """Whether the same facts are bound in another way, for other sites say."""
    return any(one != other and overlaps(one, other) for one in want for other in have)


def _address(mirror: dict[str, Any]) -> tuple[str, str]:
    return mirror["name"], (mirror.get("external") or {}).get("api", "")
