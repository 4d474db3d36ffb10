"""docs/settings.md says what the code says."""

from pathlib import Path

from foldline.settings import Settings
from foldline.settings_docs import page

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m foldline.settings_docs > docs/settings.md"
    )


def test_every_setting_says_what_it_is_for() -> None:
    unexplained = [name for name, field in Settings.model_fields.items() if not field.description]
    assert not unexplained
