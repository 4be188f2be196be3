from pathlib import Path

import pytest

from resources.intake.languages import LANGUAGES, folder_language


def test_the_codes_are_those_that_whisper_knows() -> None:
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    assert set(_LANGUAGE_CODES) == LANGUAGES


@pytest.mark.parametrize(
    ("place", "language"),
    [
        ("ru/talk.mp3", "ru"),
        ("RU/week 1/talk.mp3", "ru"),
        ("ru/guests/De/talk.mp3", "de"),
        ("lectures/it/talk.mp3", "it"),
        ("yue/talk.mp3", "yue"),
        ("talk.mp3", None),
        ("russian/talk.mp3", None),
        ("lectures/ru", None),
    ],
)
def test_the_nearest_folder_named_as_a_language_counts(tmp_path: Path, place: str, language: str | None) -> None:
    assert folder_language(tmp_path / place, tmp_path) == language


def test_only_folders_within_the_inbox_count_by_whatever_way_it_is_reached(tmp_path: Path) -> None:
    inbox = tmp_path / "de" / "inbox"
    inbox.mkdir(parents=True)
    (tmp_path / "link").symlink_to(inbox)
    assert folder_language(inbox / "talk.mp3", inbox) is None
    assert folder_language(tmp_path / "ru" / "talk.mp3", inbox) is None
    assert folder_language(tmp_path / "link" / "ru" / "talk.mp3", tmp_path / "link") == "ru"
    assert folder_language(inbox / "ru" / "talk.mp3", tmp_path / "link") == "ru"
