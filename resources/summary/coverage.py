"""That nothing of a recording is left out of its summary: no quarter, neither end, and nothing a listener must do.

Belongs here: what is missing among bullets and points, and the sentence that stands in for it. Pure.
Does not belong here: choosing or writing the summary itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from resources.summary import cues
from resources.summary.chapters import Stretch
from resources.summary.documents import Bullet
from resources.summary.extractive import Chooser, parts
from resources.summary.sentences import Sentence
from resources.summary.similarity import subjects
from resources.summary.vocabulary import Vocabulary

END_S = 60.0
"""Seconds from the first word and before the last that each must have a point."""
_TOLD = 0.5
"""Of the words with a subject of a sentence: a bullet near it that has as many has told it."""
_NEAR_S = 120.0


def quarters(times_s: Sequence[float], sentences: Sequence[Sentence]) -> list[int]:
    """How many of `times_s` fall into each quarter of the words; four numbers."""
    counts = [0, 0, 0, 0]
    quarter_of = parts(sentences, 4)
    for time_s in times_s:
        counts[quarter_of[at_time(sentences, time_s)]] += 1
    return counts


def at_time(sentences: Sequence[Sentence], time_s: float) -> int:
    """The number of the sentence that is said at `time_s`, or was said last."""
    return max(0, bisect_right(sentences, time_s, key=lambda sentence: sentence.start_s) - 1)


def ends(times_s: Sequence[float], first_s: float, last_s: float) -> tuple[bool, bool]:
    """Whether the first and the last minute of speech, which reaches from `first_s` to `last_s`, hold one of them.

    A sentence that begins before the last minute and ends in it counts where it begins: half a minute is allowed.
    """
    return (
        any(time_s <= first_s + END_S for time_s in times_s),
        any(time_s >= last_s - 1.5 * END_S for time_s in times_s),
    )


def left_out(
    sentences: Sequence[Sentence],
    vocabulary: Vocabulary,
    chapters: Sequence[Stretch],
    chooser: Chooser,
    told: list[Bullet],
) -> list[int]:
    """The sentences, by number and in order, that must be added to `told` so that everything is represented.

    First what a listener must do or remember and nothing in `told` says, as many at most as a third of `told` and
    three; then, for the first and the last minute of speech, each chapter and each quarter of the words that have
    nothing, the most telling sentence.
    """
    if not sentences:
        return []
    added = _to_do(sentences, vocabulary, told)[: 3 + len(told) // 3]
    times = [bullet.time_s for bullet in told] + [sentences[index].start_s for index in added]
    quarter_of = parts(sentences, 4)
    last_s = sentences[-1].end_s
    groups = [[index for index, part in enumerate(quarter_of) if part == quarter] for quarter in range(4)]
    first = [index for index, s in enumerate(sentences) if s.start_s <= sentences[0].start_s + END_S]
    last = [index for index, s in enumerate(sentences) if s.start_s >= last_s - END_S] or [len(sentences) - 1]
    groups += [list(range(chapter.first, chapter.last)) for chapter in chapters]
    for group in (first, last, *groups):
        held = {at_time(sentences, time_s) for time_s in times}
        if group and not held & set(group):
            found = chooser.best([index for index in group if index not in added], must=True)
            added += found
            times += [sentences[index].start_s for index in found]
    return sorted(added)


def _to_do(sentences: Sequence[Sentence], vocabulary: Vocabulary, told: list[Bullet]) -> list[int]:
    """What must be done or remembered and is not told; of many the last ones, for that is when it is said."""
    marks = cues.emphasis([sentence.text for sentence in sentences], vocabulary.language)
    found = []
    for index, sentence in enumerate(sentences):
        if marks[index] <= 0.5 or sentence.text.rstrip().endswith("?"):
            continue
        stems = set(subjects(sentence.text, vocabulary))
        near = [bullet for bullet in told if abs(bullet.time_s - sentence.start_s) <= _NEAR_S]
        shared = max((len(stems & set(subjects(bullet.text, vocabulary))) for bullet in near), default=0)
        if len(stems) >= 3 and shared < _TOLD * len(stems):
            found.append(index)
    return found[::-1]
