"""Names of settings that no process knows: a slip of the pen is an error, and not a default in silence."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

from runtime.problems import SettingsProblem
from runtime.settings.base import PREFIX, ProcessSettings, variable


def check_names(
    environment: Mapping[str, str], models: Iterable[type[ProcessSettings]], others: Collection[str]
) -> None:
    """Raise SettingsProblem for a variable, or a line of `.env`, that none of the `models` knows.

    `others` are variables with our prefix that are not settings of a process.
    """
    known = {variable(name) for model in models for name in model.model_fields} | set(others)
    given = {name.upper() for name in (*environment, *_names_of_file())}
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsProblem("; ".join(_sentence(name, known) for name in unknown))


def _names_of_file() -> list[str]:
    file = ProcessSettings.model_config.get("env_file")
    if not isinstance(file, str) or not Path(file).is_file():
        return []
    try:
        return list(dotenv_values(file))
    except UnicodeDecodeError as exc:
        raise SettingsProblem(
            f"{Path(file).absolute()} is no text in UTF-8: {exc.reason} at byte {exc.start}"
        ) from exc


def _sentence(name: str, known: Collection[str]) -> str:
    # Without the prefix, which makes all of them alike.
    close = get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], n=1)
    advice = f"did you mean {PREFIX}{close[0]}?" if close else "docs/settings.md lists all settings"
    return f"{name[:80]} is no setting: {advice}"
