"""Words by which a speaker says that something matters, or that something new begins.

Belongs here: the phrases, by language, and how they are found. Pure.
Does not belong here: how much a sentence gains by them (`extractive.py`, `chapters.py`).

Cue words are the oldest sign of a telling sentence (Edmundson, 1969), and of a new topic (Passonneau and Litman, 1997).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What a listener must do or must not forget: an exam, a deadline, a call to remember.
_MUST = {
    "en": r"""
        \A(?:and |so |please |but )*(?:remember|don't forget|do not forget|note)\b(?! when| how we)|please remember|
        (?:must|should|please) (?:not forget|remember)|\bkeep in mind\b|\bmake sure (?:you|to)\b|
        \b(?:final |midterm |oral |written )?exam(?:ination)?s? (?:is|are|will|takes?|starts?)\b|\bon the exam\b|
        \bdeadline\b|\bhomework\b|\bassignment (?:is|for)\b|\bis due\b|\bhand in\b|\baction items?\b|
        \bfor (?:the )?next (?:time|lecture|class)\b|\bby next (?:week|monday|tuesday|wednesday|thursday|friday)\b
    """,
    "ru": r"""
        \bзапомните\b|\bпомните\b|\bне забудьте\b|\bне забывайте\b|\bобратите внимание\b|
        \bэкзамен\w* (?:будет|состоится|пройд[её]т|начн[её]тся|в|на)\b|\bна экзамене\b|
        \bзач[её]т\w* (?:будет|состоится|в)\b|
        \bдомашн\w+ (?:задани|работ)\w+|\bк следующему (?:разу|занятию)\b|\bк следующей (?:лекции|неделе|паре)\b|
        \bсрок сдачи\b|\bсдать до\b|\bдедлайн\w*
    """,
}
# What the speaker marks as weighty, defines, or concludes.
_WEIGHTY = {
    "en": r"""
        \bimportant\b|\bcrucial\b|\bessential\b|\bmost of all\b|\bkey (?:point|idea|question|thing|result)\b|
        \bthe main (?:point|idea|reason|result|thing)\b|\bin (?:short|summary|conclusion)\b|
        \bto (?:sum up|summari[sz]e)\b|
        \bwe (?:conclude|decided|agreed)\b|\bis (?:called|defined as|known as)\b|\bthe (?:answer|reason|result) is\b
    """,
    "ru": r"""
        \bважн[оыа]\w*\b|\bглавн(?:ое|ая|ый|ые)\b|\bсущественно\b|\bключев\w+|\bсамое\b|\bитак\b|\bв итоге\b|
        \bвывод\w*\b|
        \bтаким образом\b|\bназывается\b|\bназывают\b|\bопределени\w+|\bмы решили\b|\bдоговорились\b|
        \bподвед[её]м итог\w*
    """,
}
_OPENING = {
    "en": r"""
        \A(?:and |so |well |okay |all right |right )*(?:now|next|finally|let us|let's|first|second|third|another|today|
        turning to|moving on|in the (?:next|second|third|last) part|our next|the next (?:topic|question|subject|part))\b
    """,
    "ru": r"""
        \A(?:и |а |ну |так |хорошо )*(?:теперь|далее|дальше|перейд[её]м|переходим|наконец|поговорим|рассмотрим|
        следующ\w+ (?:тема|вопрос|раздел|часть)|начн[её]м|сначала|во-первых|во-вторых|в-третьих|сегодня|давайте)\b
    """,
}


def _compiled(phrases: dict[str, str]) -> dict[str, re.Pattern[str]]:
    # Line ends and the blanks of the layout go; blanks inside a phrase stay.
    return {code: re.compile(re.sub(r"\n\s*", "", text.strip()), re.I) for code, text in phrases.items()}


_MUST_FOUND, _WEIGHTY_FOUND, _OPENING_FOUND = map(_compiled, (_MUST, _WEIGHTY, _OPENING))
_FEW = 0.05
"""A cue in a larger share of the sentences marks none of them: a talk about exams says "exam" all the time."""


def emphasis(texts: Sequence[str], language: str) -> list[float]:
    """For each sentence how much the speaker marks it: up to 1 for what must be done or remembered, up to 0.3 for what
    is called important, is defined or concluded; 0 for the rest, and in languages without a list.
    """
    marked = [must(text, language) for text in texts]
    weight = min(1.0, _FEW * max(20, len(texts)) / max(1, sum(marked)))
    found = _WEIGHTY_FOUND.get(language)
    weighty = [bool(found and found.search(text)) for text in texts]
    return [weight if mark else 0.3 * weigh for mark, weigh in zip(marked, weighty, strict=True)]


def must(text: str, language: str) -> bool:
    """Whether a sentence says what a listener must do or must not forget."""
    found = _MUST_FOUND.get(language)
    return bool(found and found.search(text))


def opens(text: str, language: str) -> bool:
    """Whether a sentence starts as the first one of a new topic does."""
    found = _OPENING_FOUND.get(language)
    return bool(found and found.search(text))
