"""The few words notes add of their own, in the recording's language.

Belongs here: headings, labels, warnings, dates. Does not belong here: where they stand (`content.py`). Pure.
A language without a table gets English.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Wording:
    """One language's words; texts with braces are filled by `str.format`."""

    summary: str
    no_summary: str
    key_terms: str
    contents: str
    transcript: str
    slides_and_transcript: str
    no_words: str
    about: str
    part: str
    slide: str
    slide_of: str
    page: str
    uncertain: str
    file: str
    digest: str
    recorded: str
    duration: str
    language: str
    language_value: str
    speech: str
    speech_value: str
    reason: str
    settings: str
    summary_method: str
    versions: str
    warnings: str
    no_warnings: str
    glyphs: str
    warn_no_words: str
    warn_language: str
    warn_uncertain: str
    warn_glyphs: str
    subject: str
    months: tuple[str, ...]
    date: str

    def day(self, moment: datetime) -> str:
        """The calendar day of `moment`, written out."""
        return self.date.format(day=moment.day, month=self.months[moment.month - 1], year=moment.year)


_ENGLISH = Wording(
    summary="Summary",
    no_summary="The recording is too short for a summary.",
    key_terms="Key terms",
    contents="Contents",
    transcript="Transcript",
    slides_and_transcript="Slides and transcript",
    no_words="No words were recognised.",
    about="About these notes",
    part="Part {number}",
    slide="Slide {number}",
    slide_of="Slide {number} of {total}",
    page="{number} of {total}",
    uncertain="Words in grey were recognised with a probability below {limit}.",
    file="File",
    digest="Digest (BLAKE3)",
    recorded="Recorded",
    duration="Duration",
    language="Language",
    language_value="{language}, probability {probability}",
    speech="Speech recognition",
    speech_value="{model}, from {source}; {device}, {compute_type}",
    reason="Why this model",
    settings="Settings",
    summary_method="Summary",
    versions="Set with",
    warnings="Warnings",
    no_warnings="none",
    glyphs="Signs without a glyph",
    warn_no_words="No words were recognised in this recording.",
    warn_language="The language was recognised as {language} with a probability of only {probability}. "
    "If that is wrong, so is the text.",
    warn_uncertain="{percent} % of the words were recognised with low certainty; they are set in grey.",
    warn_glyphs="Signs that no installed font has: {count}. Here they are shown as {stand_in}; notes.md has them.",
    subject="Notes on the recording {name}, {duration}",
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    date="{day} {month} {year}",
)

_RUSSIAN = Wording(
    summary="Кратко",
    no_summary="Запись слишком коротка для краткого изложения.",
    key_terms="Ключевые слова",
    contents="Содержание",
    transcript="Текст записи",
    slides_and_transcript="Слайды и текст записи",
    no_words="Слов не распознано.",
    about="Об этом конспекте",
    part="Часть {number}",
    slide="Слайд {number}",
    slide_of="Слайд {number} из {total}",
    page="{number} из {total}",
    uncertain="Серым набраны слова, распознанные с вероятностью ниже {limit}.",
    file="Файл",
    digest="Хеш (BLAKE3)",
    recorded="Записано",
    duration="Длительность",
    language="Язык",
    language_value="{language}, вероятность {probability}",
    speech="Распознавание речи",
    speech_value="{model}, источник: {source}; {device}, {compute_type}",
    reason="Почему эта модель",
    settings="Параметры",
    summary_method="Краткое изложение",
    versions="Набрано с помощью",
    warnings="Предупреждения",
    no_warnings="нет",
    glyphs="Знаки без начертания",
    warn_no_words="В этой записи не распознано ни одного слова.",
    warn_language="Язык определён как {language} с вероятностью всего {probability}. "
    "Если это ошибка, то ошибочен и текст.",
    warn_uncertain="Доля слов, распознанных неуверенно: {percent} %; они набраны серым.",
    warn_glyphs="Знаков, которых нет в установленных шрифтах: {count}. Здесь они показаны как {stand_in}; "
    "в notes.md сохранены все.",
    subject="Конспект записи {name}, {duration}",
    months=(
        *("января", "февраля", "марта", "апреля", "мая", "июня"),
        *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
    ),
    date="{day} {month} {year} г.",
)

_TABLES = {"en": _ENGLISH, "ru": _RUSSIAN}


def wording(language: str) -> Wording:
    """The words for an ISO 639-1 code."""
    return _TABLES.get(language, _ENGLISH)
