"""A name of a setting that no process knows is an error that says what was meant."""

from pathlib import Path

import pytest

from foldline.settings import Api, Consumer, Settings
from runtime.problems import Problem
from runtime.settings.unknown_names import check_names


def names(*given: str, others: tuple[str, ...] = ()) -> None:
    check_names(dict.fromkeys(given, "1"), [Settings], others)


def test_every_setting_of_any_process_is_known() -> None:
    names(*(f"FOLDLINE_{name.upper()}" for name in Settings.model_fields), "PATH", "foldline_site")


def test_a_slip_of_the_pen_is_told_with_what_was_meant() -> None:
    with pytest.raises(Problem, match=r"FOLDLINE_NATS_ULR is no setting: did you mean FOLDLINE_NATS_URL\?"):
        names("FOLDLINE_NATS_ULR")


def test_a_name_like_no_other_is_told_where_all_are() -> None:
    with pytest.raises(Problem, match=r"FOLDLINE_QQQ is no setting: docs/settings\.md lists all settings"):
        names("FOLDLINE_QQQ")


def test_all_unknown_names_are_told_at_once() -> None:
    with pytest.raises(Problem, match=r"FOLDLINE_AAA.*; FOLDLINE_BBB"):
        names("FOLDLINE_BBB", "FOLDLINE_AAA")


def test_names_of_others_may_have_our_prefix() -> None:
    names("FOLDLINE_URL", others=("FOLDLINE_URL",))


def test_the_file_is_looked_at_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FOLDLINE_SIET=fab1\nSTACK_CONSUMERS=3\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match=r"FOLDLINE_SIET is no setting: did you mean FOLDLINE_SITE\?"):
        names()


def test_another_process_has_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOLDLINE_API_PORT", "no number")
    assert Consumer(_env_file=None).site == "local"
    with pytest.raises(ValueError, match="api_port"):
        Api(_env_file=None)


def test_a_file_that_is_no_text_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_bytes(b"FOLDLINE_SITE=\xff")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match=r"\.env is no text in UTF-8"):
        names()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", ""),
        ("nats_url", ""),
        ("heartbeat_timeout", "inf"),
        ("job_stall_timeout", "1e300"),
        ("lease_ttl", "1e-9"),
        ("publish_timeout", "61"),
        ("connect_timeout", "nan"),
        ("sites", "fab1=http://x,fab1=http://y"),
    ],
)
def test_a_value_that_could_not_work_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"FOLDLINE_{name.upper()}", value)
    with pytest.raises(ValueError, match=name):
        Settings(_env_file=None)
