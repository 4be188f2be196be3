"""Which recognised words can't be trusted, and by which sign. Pure: text and figures only.

Belongs here: the signs, their bounds and the list of stock phrases. Does not belong here: decoding again what looks bad
(`redecode.py`), and anything about the kind of sound: words sung over music are words.

Two questions are asked. `suspicious`: is a second, slower decoding worth its time? One sign is enough. `sift`: which
words are to be left out? Only those that were invented: a low probability alone is no reason, the notes print it grey.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from resources.speech.cutting import Heard, sentences
from resources.speech.documents import Dropped
from resources.speech.phrases import CREDITS, courteous, key

REASONS = {
    "not_speech": "The model takes the sound for no speech, and its words are improbable.",
    "hopeless": "Hardly any word of the passage is probable.",
    "no_words": "Nothing but punctuation was recognised.",
    "stock_phrase": "A phrase that speech recognition invents where nobody speaks, and little speaks for it here.",
    "unheard": "Improbable words at a time at which no speech is detected.",
    "loop": "The model repeats itself.",
    "rate": "More words than anybody can say in that time.",
}
"""What `Dropped.reason` can be, and what it means."""

COMPRESSION = 2.4
LOGPROB = -1.0
NO_SPEECH = 0.6
"""Whisper's own bounds (Radford et al. 2022, section 4.5). Text that zlib shrinks more is repetitive; a mean
log-probability of a token below -1 is improbable; with both that and `NO_SPEECH` there is no speech."""

HOPELESS = 0.3
"""Mean word probability. On noise and synthetic music, tiny.en and base stay below it or above `NO_SPEECH`. It counts
only together with `LOGPROB`."""

DOUBTFUL = 0.5
"""Mean probability of a phrase below which a second sign against it is believed."""

UNHEARD = 0.05
"""Share of a sentence's time with speech in it; a real one touches speech somewhere."""

WORDS_PER_S = 8.0
LETTERS_PER_S = 20.0
"""The fastest debaters reach 6 words a second. Letters: for languages written without blanks, where 10 are fast."""

RATE_WORDS = 5
"""Fewer words may have false times: a word's start and end each err by 0.2 s."""

REPEATS = (8, 6, 5, 4)
"""So many times in a row make a loop, for a phrase of 1, 2, 3, and 4 or more words: people say "no" six times, and sing
a line three times; sixteen words is where a loop of the decoder shows whatever the phrase."""

LONGEST_PHRASE = 40
"""Words. Whisper's window holds about 100, so a longer phrase can't be in it more than twice."""

DIVERSITY = 0.15
DIVERSITY_WORDS = 24
"""Share of distinct words in a passage; running speech of this length has over 0.5, a refrain sung three times 0.2."""

LONG_WORD = 60
"""Letters; the longest words in use have under 50."""

_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")

Voiced = Callable[[float, float], float]
"""The share of the time between two seconds in which speech is detected, 0..1."""


@dataclass(frozen=True)
class Sifted:
    """The words that stay, in order, and what was left out."""

    kept: tuple[Heard, ...]
    dropped: tuple[Dropped, ...]

    @property
    def trust(self) -> float:
        """The expected number of right words: the sum of the probabilities of those that stay."""
        return sum(word.probability for word in self.kept)


def suspicious(passages: Sequence[Sequence[Heard]], spaced: bool, voiced: Voiced) -> tuple[str, ...]:
    """The signs, in words, that make it worth while to decode `passages` (decoded segments) again; none if healthy."""
    signs = {dropped.reason for dropped in sift(passages, spaced, voiced).dropped}
    for passage in filter(None, passages):
        if passage[0].compression_ratio > COMPRESSION:
            signs.add("repetitive")
        if passage[0].avg_logprob < LOGPROB:
            signs.add("improbable")
    return tuple(sorted(signs))


def sift(passages: Sequence[Sequence[Heard]], spaced: bool, voiced: Voiced) -> Sifted:
    """Tell the words of decoded segments, in order, that can be trusted from those that can't.

    `spaced`: words are written with blanks between them. Whole segments are judged by the model's figures, whole
    sentences by phrase and rate, and repetition over all that is left, so also across segments.
    """
    kept: list[Heard] = []
    dropped: list[Dropped] = []
    for passage in filter(None, passages):
        reason = _reason_for_passage(passage)
        if reason is None:
            kept += passage
        else:
            dropped.append(_dropped(passage, reason))
    kept, lost = _each_sentence(kept, spaced, voiced)
    dropped += lost
    kept, lost = _without_copies(kept)
    dropped += lost
    return Sifted(tuple(kept), tuple(sorted(dropped, key=lambda item: item.start_s)))


def loops(words: Sequence[Heard]) -> list[tuple[int, int]]:
    """Where words repeat what stands right before them: (first, behind the last) of the copies, the original left out.

    Case and punctuation don't matter.
    """
    tokens, owners = _tokens(words)
    found = []
    start = 0
    while start < len(tokens):
        phrase, times = _loop_at(tokens, start)
        if phrase == 0:
            start += 1
            continue
        found.append((owners[start + phrase], owners[start + phrase * times - 1] + 1))
        start += phrase * times
    return found


def _reason_for_passage(passage: Sequence[Heard]) -> str | None:
    if not any(_TOKEN.search(word.text) for word in passage):
        return "no_words"
    first = passage[0]
    if first.avg_logprob < LOGPROB and first.no_speech_prob > NO_SPEECH:
        return "not_speech"
    if first.avg_logprob < LOGPROB and fmean(word.probability for word in passage) < HOPELESS:
        return "hopeless"
    if max(map(_self_similarity, (word.text for word in passage))) > COMPRESSION:
        return "loop"
    tokens, _ = _tokens(passage)
    if len(tokens) >= DIVERSITY_WORDS and len(set(tokens)) / len(tokens) < DIVERSITY and not loops(passage):
        return "loop"
    return None


def _self_similarity(word: str) -> float:
    data = word.strip().encode()
    return len(data) / len(zlib.compress(data)) if len(data) > LONG_WORD else 0.0


def _each_sentence(words: Sequence[Heard], spaced: bool, voiced: Voiced) -> tuple[list[Heard], list[Dropped]]:
    kept: list[Heard] = []
    dropped: list[Dropped] = []
    for sentence in sentences(words, spaced):
        reason = _reason_for_sentence(sentence, spaced, voiced)
        if reason is None:
            kept += sentence
        else:
            dropped.append(_dropped(sentence, reason))
    return kept, dropped


def _reason_for_sentence(sentence: Sequence[Heard], spaced: bool, voiced: Voiced) -> str | None:
    said = key(_text(sentence))
    if said in CREDITS:
        return "stock_phrase"
    seconds = sentence[-1].end_s - sentence[0].start_s
    if len(sentence) >= RATE_WORDS:
        limit = len(sentence) / WORDS_PER_S if spaced else len(said) / LETTERS_PER_S
        if seconds < limit:
            return "rate"
    doubtful = fmean(word.probability for word in sentence) < DOUBTFUL
    heard = voiced(sentence[0].start_s, sentence[-1].end_s)
    if courteous(_text(sentence)):
        unlikely = min(word.avg_logprob for word in sentence) < LOGPROB
        silent = max(word.no_speech_prob for word in sentence) > NO_SPEECH
        if doubtful or unlikely or silent or heard < UNHEARD:
            return "stock_phrase"
    return "unheard" if doubtful and heard < UNHEARD else None


def _without_copies(words: list[Heard]) -> tuple[list[Heard], list[Dropped]]:
    copies = loops(words)
    dropped = [_dropped(words[first:behind], "loop") for first, behind in copies]
    lost = {index for first, behind in copies for index in range(first, behind)}
    return [word for index, word in enumerate(words) if index not in lost], dropped


def _tokens(words: Sequence[Heard]) -> tuple[list[str], list[int]]:
    """The words without case and punctuation, and for each the index of the word it comes from."""
    tokens: list[str] = []
    owners: list[int] = []
    for index, word in enumerate(words):
        for token in _TOKEN.findall(word.text.casefold()):
            tokens.append(token)
            owners.append(index)
    return tokens, owners


def _loop_at(tokens: Sequence[str], start: int) -> tuple[int, int]:
    """Length of the shortest phrase that loops from `start`, and how many times it stands there; (0, 0) if none."""
    for phrase in range(1, min(LONGEST_PHRASE, (len(tokens) - start) // REPEATS[-1]) + 1):
        same = 0  # so many tokens equal the one a phrase earlier
        while start + phrase + same < len(tokens) and tokens[start + same] == tokens[start + phrase + same]:
            same += 1
        times = 1 + same // phrase
        if times >= REPEATS[min(phrase, len(REPEATS)) - 1]:
            return phrase, times
    return 0, 0


def _text(words: Sequence[Heard]) -> str:
    return "".join(word.text for word in words).strip()


def _dropped(words: Sequence[Heard], reason: str) -> Dropped:
    start, end = words[0].start_s, words[-1].end_s
    return Dropped(start_s=round(start, 3), end_s=round(max(start, end), 3), text=_text(words), reason=reason)
