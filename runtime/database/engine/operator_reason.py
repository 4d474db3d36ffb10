"""The reason that an operator gives for a decision: kept beside it, for whoever finds it later."""

from typing import Final

from runtime.problems import Problem

_LONGEST: Final = 500


def checked_reason(decision: str, reason: str) -> str:
    """Return the reason without space around it.

    Raises Problem for one that is empty, longer than 500 characters or contains NUL, which PostgreSQL cannot
    store. `decision` names what needs the reason: "a pause".
    """
    text = reason.strip()
    if not text:
        wrong = "it is empty"
    elif len(reason) > _LONGEST:
        wrong = f"it has {len(reason):,} characters"
    elif "\x00" in text:
        wrong = "it contains NUL"
    else:
        return text
    raise Problem(
        f"{decision} needs a reason of 1 to {_LONGEST} characters, for whoever finds it later; {wrong}"
    )
