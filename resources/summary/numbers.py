"""The numbers of a text, whether written in digits or in words.

Belongs here: reading them, for any language in digits, for English and Russian in words. Pure.
Does not belong here: what is done about a number that nobody said (`support.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from resources.summary.vocabulary import Vocabulary

_DIGITS = re.compile(r"(?<!\d)\d{1,3}(?:[.,\u00a0\u202f ]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?")
# What a word adds. "one", "first", "second" and their like mostly count nothing, so they are left out; see `_SMALL`.
_ENGLISH = {
    "two": 2, "three": 3, "third": 3, "four": 4, "five": 5, "fifth": 5, "six": 6, "seven": 7, "eight": 8, "eighth": 8,
    "nine": 9, "ninth": 9, "ten": 10, "eleven": 11, "twelve": 12, "twelfth": 12, "thirteen": 13, "fourteen": 14,
    "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30,
    "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
# Beginnings of words, longest first where one begins another.
_RUSSIAN = (
    ("одиннадцат", 11), ("двенадцат", 12), ("тринадцат", 13), ("четырнадцат", 14), ("пятнадцат", 15),
    ("шестнадцат", 16), ("семнадцат", 17), ("восемнадцат", 18), ("девятнадцат", 19), ("двадцат", 20), ("тридцат", 30),
    ("четырехсот", 400), ("шестисот", 600), ("семисот", 700), ("восьмисот", 800), ("девятисот", 900), ("двумст", 200),
    ("сорок", 40), ("пятьдесят", 50), ("пятидесят", 50), ("шестьдесят", 60), ("шестидесят", 60), ("семьдесят", 70),
    ("семидесят", 70), ("восемьдесят", 80), ("восьмидесят", 80), ("девяност", 90), ("двест", 200), ("двухсот", 200),
    ("трист", 300), ("трехсот", 300), ("четырест", 400), ("пятьсот", 500), ("пятисот", 500), ("шестьсот", 600),
    ("семьсот", 700), ("восемьсот", 800), ("девятьсот", 900), ("сотый", 100), ("четыр", 4), ("четверт", 4),
    ("десят", 10), ("девят", 9), ("восем", 8), ("восьм", 8), ("седьм", 7), ("трет", 3),
)  # fmt: skip
_RUSSIAN_WHOLE = {
    "два": 2, "две": 2, "двух": 2, "двум": 2, "двумя": 2, "три": 3, "трех": 3, "трем": 3, "тремя": 3, "пять": 5,
    "пяти": 5, "пятый": 5, "пятого": 5, "пятое": 5, "пятая": 5, "пятой": 5, "шесть": 6, "шести": 6, "шестой": 6,
    "шестого": 6, "шестое": 6, "шестая": 6, "семь": 7, "семи": 7, "сто": 100, "ста": 100,
}  # fmt: skip
# What may be meant all the same, when somebody else writes it in digits: "1 exam", "1st", "2nd".
_SMALL = {
    "en": {1: ("one", "first", "once"), 2: ("second", "twice", "both"), 12: ("dozen",)},
    "ru": {1: ("один", "одн", "перв"), 2: ("второ", "втора", "вторы", "обоих", "обе", "оба", "дважды")},
}
_ONES = ("one", "first", "один", "одн", "перв")
_TIMES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_RUSSIAN_TIMES = (("тысяч", 1000), ("миллион", 10**6), ("миллиард", 10**9))
_SHORT_TIMES = {"тыс": 1000, "млн": 10**6, "млрд": 10**9}
_SCALED = re.compile(rf"({_DIGITS.pattern})[\s-]+([^\W\d_]+)")


def digits(text: str) -> set[float]:
    """The numbers written in digits."""
    return {value for match in _DIGITS.finditer(text) if (value := _value(match[0])) is not None}


def reads_words(language: str) -> bool:
    """Whether numbers in words are read in this language, and not in digits only."""
    return language in _SMALL


def numbers(text: str, vocabulary: Vocabulary, *, parts: bool = False) -> set[float]:
    """All numbers of `text`.

    With `parts` also whatever else may be meant by what is said: what numbers are made of (of 212 in words 2, 100 and
    12, of "12 500" both), and the small ones that mostly count nothing ("one", "second").
    """
    found: set[float] = set()
    language = vocabulary.language

    def scaled(match: re.Match[str]) -> str:
        value, worth = _value(match[1]), _worded(match[2].casefold(), language)
        if value is None or worth is None or not worth[1]:
            return match[0]
        found.add(round(value * worth[0], 6))  # 2.3 million, without the last digits of a product
        return match[0] if parts else ";"

    if reads_words(language):
        text = _SCALED.sub(scaled, text)
    found |= digits(text)
    if parts:
        found |= {read for part in re.findall(r"\d+(?:[.,]\d+)*", text) if (read := _value(part)) is not None}
    if not reads_words(language):
        return found
    if parts:
        small = _SMALL[language]
        words = [token.surface.casefold() for token in vocabulary.tokens(text)]
        found |= {float(n) for n, starts in small.items() if any(word.startswith(starts) for word in words)}
    run: list[tuple[int, bool]] = []
    end = 0
    for token in vocabulary.tokens(text):
        if re.search(r"\S", text[end : token.start]):
            found |= _read(run, parts)
            run = []
        end = token.end
        for word in token.surface.casefold().replace("ё", "е").split("-"):
            value = _worded(word, language)
            if value is None and run and 20 <= run[-1][0] <= 90 and word.startswith(_ONES):
                value = (1, False)  # twenty-one
            if value is not None:
                run.append(value)
            elif word != "and":
                found |= _read(run, parts)
                run = []
    return found | _read(run, parts)


def _read(run: list[tuple[int, bool]], parts: bool) -> set[float]:
    if not run:
        return set()
    return {float(_together(run))} | ({float(value) for value, _ in run} if parts else set())


def _worded(word: str, language: str) -> tuple[int, bool] | None:
    """What a word is worth, and whether it multiplies what stands before it; None for no number."""
    if language == "en":
        bare = word.removesuffix("s") if word.removesuffix("s") in _TIMES else word
        if bare in _TIMES:
            return _TIMES[bare], True
        value = _ENGLISH.get(word) or _ENGLISH.get(word.removesuffix("th"))
        if value is None and word.endswith("ieth"):
            value = _ENGLISH.get(word.removesuffix("ieth") + "y")
        return None if value is None else (value, False)
    if word in _SHORT_TIMES:
        return _SHORT_TIMES[word], True
    for start, times in _RUSSIAN_TIMES:
        if word.startswith(start):
            return times, True
    if word in _RUSSIAN_WHOLE:
        return _RUSSIAN_WHOLE[word], False
    return next(((value, False) for start, value in _RUSSIAN if word.startswith(start)), None)


def _together(run: Iterable[tuple[int, bool]]) -> int:
    total, group = 0, 0
    for value, multiplies in run:
        if not multiplies:
            # "nineteen eighty-six" is a year; 19 and 86 never stand side by side in one number
            group = group * 100 + value if 10 <= group < 100 and 10 <= value < 100 else group + value
        elif value == 100:
            group = max(1, group) * value
        else:
            total += max(1, group) * value
            group = 0
    return total + group


def _value(written: str) -> float | None:
    """`1,500` and `1 500` are 1500; `3,5` and `3.5` are 3.5."""
    bare = re.sub(r"[\u00a0\u202f ]", "", written)
    if re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", bare):
        bare = re.sub(r"[.,]", "", bare)
    try:
        return float(bare.replace(",", "."))
    except ValueError:
        return None
