"""The few words notes add of their own, in the recording's language.

Belongs here: headings, labels, warnings, dates. Does not belong here: where they stand (`content.py`). Pure.
A language without a table gets English.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from resources.notes.languages import ENGLISH, RUSSIAN

_BARE = 2  # a speaker's label up to this long is a letter or a number, not a name


@dataclass(frozen=True)
class Wording:
    """One language's words; texts with braces are filled by `str.format`."""

    summary: str
    no_summary: str
    key_terms: str
    contents: str
    transcript: str
    slides_and_transcript: str
    no_speech: str
    no_trusted_speech: str
    left_out: str
    left_out_some: str
    untrustworthy: str
    reasons: Mapping[str, str]
    speaker: str
    corrected: str
    about: str
    part: str
    slide: str
    slide_of: str
    page: str
    uncertain: str
    unsupported: str
    file: str
    digest: str
    recorded: str
    file_dated: str
    duration: str
    language: str
    language_value: str
    language_heard: str
    language_set: str
    language_folder: str
    language_model: str
    languages: Mapping[str, str]
    speech: str
    speech_value: str
    reason: str
    settings: str
    listened: str
    listened_value: str
    again: str
    dropped: str
    dropped_value: str
    memory: str
    correction: str
    summary_method: str
    faithful: str
    faithful_value: str
    none: str
    versions: str
    warnings: str
    glyphs: str
    warn_language: str
    warn_kept: str
    warn_covered: str
    warn_dropped: str
    warn_uncertain: str
    warn_unfaithful: str
    warn_glyphs: str
    subject: str
    months: tuple[str, ...]
    date: str
    decimal: str

    def number(self, value: float, digits: int) -> str:
        """`value` with so many digits after the decimal sign."""
        return f"{value:.{digits}f}".replace(".", self.decimal)

    def language_name(self, code: str) -> str:
        """The name of a language by its ISO 639-1 code; the code itself for one without a name here."""
        return self.languages.get(code, code)

    def named(self, label: str) -> str:
        """A speaker's name: a bare letter or number gets a word before it."""
        return self.speaker.format(label=label) if len(label) <= _BARE else label

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
    no_speech="In this recording no speech was found: no words were recognised in {duration} of sound.",
    no_trusted_speech="In this recording no speech was found that can be trusted: in {duration} of sound, whatever was "
    "recognised did not stand up to being checked and was left out. The places are marked below.",
    left_out="[{start} to {end}: left out, {reason}]",
    left_out_some="[{start} to {end}: {count} passages left out, {reason}]",
    untrustworthy="not trustworthy",
    reasons={
        "not_speech": "probably no speech",
        "hopeless": "hardly a word was certain",
        "no_words": "no words in it",
        "stock_phrase": "a phrase that recognition invents in silence",
        "unheard": "nobody was heard there",
        "loop": "the words repeat themselves",
        "rate": "more words than anybody can say in that time",
    },
    speaker="Speaker {label}",
    corrected="corrected by a person: {name}, words changed: {count}",
    about="About these notes",
    part="Part {number}",
    slide="Slide {number}",
    slide_of="Slide {number} of {total}",
    page="{number} of {total}",
    uncertain="Words in grey were recognised with a probability below {limit}.",
    unsupported="{mark} The transcript near this time does not say this in these words: check it before relying on it.",
    file="File",
    digest="Digest (BLAKE3)",
    recorded="Recorded",
    file_dated="File dated",
    duration="Duration",
    language="Language",
    language_value="{language}, probability {probability}; {source}",
    language_heard="decided by a vote over stretches of speech",
    language_set="set in the configuration",
    language_folder="set by the inbox folder",
    language_model="the only one the model knows",
    languages=ENGLISH,
    speech="Speech recognition",
    speech_value="{model}, from {source}; {device}, {compute_type}",
    reason="Why this model",
    settings="Settings",
    listened="Speech heard",
    listened_value="{kept} % of the speech was listened to (voice threshold {threshold}), {covered} % of it has words",
    again="Decoded a second time",
    dropped="Left out",
    dropped_value="{count} ({percent} % of the speech)",
    memory="Saving memory",
    correction="Correction",
    summary_method="Summary",
    faithful="Points supported",
    faithful_value="{percent} % by the transcript near their time; left out because they were not: {count}",
    none="none",
    versions="Set with",
    warnings="Warnings",
    glyphs="Signs without a glyph",
    warn_language="The language was recognised as {language} with a probability of only {probability}. "
    "If that is wrong, so is the text.",
    warn_kept="About {percent} % of the speech may have been taken for silence or noise and is missing here.",
    warn_covered="For about {percent} % of the speech there are no words: some of it could not be read.",
    warn_dropped="Passages left out because they can't be trusted: {count} ({percent} % of the speech). "
    "Each is marked in the transcript.",
    warn_uncertain="{percent} % of the words were recognised with low certainty; notes.pdf has them in grey.",
    warn_unfaithful="{percent} % of the points that the model wrote are not supported by the transcript. "
    "They were left out, or are marked.",
    warn_glyphs="Signs that no installed font has: {count}. Here they are shown as {stand_in}; notes.md has them.",
    subject="Notes on the recording {name}, {duration}",
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    date="{day} {month} {year}",
    decimal=".",
)

_RUSSIAN = Wording(
    summary="Кратко",
    no_summary="Запись слишком коротка для краткого изложения.",
    key_terms="Ключевые слова",
    contents="Содержание",
    transcript="Текст записи",
    slides_and_transcript="Слайды и текст записи",
    no_speech="В этой записи не найдено речи: за {duration} звучания не распознано ни одного слова.",
    no_trusted_speech="В этой записи не найдено речи, которой можно доверять: всё распознанное за {duration} звучания "
    "не прошло проверку и пропущено. Такие места отмечены ниже.",
    left_out="[{start}–{end}: пропущено, {reason}]",
    left_out_some="[{start}–{end}: пропущено фрагментов: {count}, {reason}]",
    untrustworthy="распознано ненадёжно",
    reasons={
        "not_speech": "вероятно, не речь",
        "hopeless": "почти все слова распознаны неуверенно",
        "no_words": "слов в этом месте нет",
        "stock_phrase": "фраза, которую распознавание выдумывает в тишине",
        "unheard": "речи в этом месте не слышно",
        "loop": "слова повторяются по кругу",
        "rate": "больше слов, чем можно произнести за это время",
    },
    speaker="Голос {label}",
    corrected="исправлено вручную: {name}, изменено слов: {count}",
    about="Об этом конспекте",
    part="Часть {number}",
    slide="Слайд {number}",
    slide_of="Слайд {number} из {total}",
    page="{number} из {total}",
    uncertain="Серым набраны слова, распознанные с вероятностью ниже {limit}.",
    unsupported="{mark} В тексте записи возле этого времени таких слов нет: проверьте, прежде чем ссылаться.",
    file="Файл",
    digest="Хеш (BLAKE3)",
    recorded="Записано",
    file_dated="Дата файла",
    duration="Длительность",
    language="Язык",
    language_value="{language}, вероятность {probability}; {source}",
    language_heard="определён голосованием по отрезкам речи",
    language_set="задан в настройках",
    language_folder="задан папкой входящих",
    language_model="единственный, который знает модель",
    languages=RUSSIAN,
    speech="Распознавание речи",
    speech_value="{model}, источник: {source}; {device}, {compute_type}",
    reason="Почему эта модель",
    settings="Параметры",
    listened="Услышано речи",
    listened_value="прослушано {kept} % речи (порог голоса {threshold}); из них словами покрыто {covered} %",
    again="Распознано повторно",
    dropped="Пропущено",
    dropped_value="фрагментов: {count} ({percent} % речи)",
    memory="Экономия памяти",
    correction="Исправление",
    summary_method="Краткое изложение",
    faithful="Подтверждено",
    faithful_value="{percent} % пунктов — текстом записи возле их времени; исключено неподтверждённых: {count}",
    none="нет",
    versions="Набрано с помощью",
    warnings="Предупреждения",
    glyphs="Знаки без начертания",
    warn_language="Язык определён как {language} с вероятностью всего {probability}. "
    "Если это ошибка, то ошибочен и текст.",
    warn_kept="Около {percent} % речи, возможно, принято за тишину или шум: в конспекте её нет.",
    warn_covered="Около {percent} % речи осталось без слов: часть её распознать не удалось.",
    warn_dropped="Пропущено ненадёжных фрагментов: {count} ({percent} % речи). Каждый отмечен в тексте записи.",
    warn_uncertain="Доля слов, распознанных неуверенно: {percent} %; в notes.pdf они набраны серым.",
    warn_unfaithful="Не подтверждено текстом записи: {percent} % пунктов, написанных моделью. "
    "Они исключены или отмечены.",
    warn_glyphs="Знаков, которых нет в установленных шрифтах: {count}. Здесь они показаны как {stand_in}; "
    "в notes.md сохранены все.",
    subject="Конспект записи {name}, {duration}",
    months=(
        *("января", "февраля", "марта", "апреля", "мая", "июня"),
        *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
    ),
    date="{day} {month} {year} г.",
    decimal=",",
)

_TABLES = {"en": _ENGLISH, "ru": _RUSSIAN}


def wording(language: str) -> Wording:
    """The words for an ISO 639-1 code."""
    return _TABLES.get(language, _ENGLISH)
