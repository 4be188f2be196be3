"""A transcript that a person has edited, brought back into the form that everything else is made of.

Belongs here: which words are the same as those that were heard, times for those that are not, segments. Pure.
Does not belong here: reading the edited file (`edited.py`), storing the result (`assets/recordings/transcript.py`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from resources.errors import BadInput
from resources.speech.documents import SENTENCE_END, Correction, Segment, Transcript, Word, word_separator
from resources.speech.edited import Edited, Piece, Timed
from resources.speech.reference import normalized

LEAST_ALIKE = 0.2
"""An edited file that shares less of its words, in their order, with the transcript is taken for another recording's.
Unrelated English texts share about 5 % (15 pairs of this project's pages: 6 % at most); a poor transcript, written
anew, 40 % and more."""

_FASTEST = 40.0
"""Letters a second that nobody speaks: an auctioneer gets to 30."""

_SPEED = 12.5
"""Letters a second of ordinary speech, for words that nothing gives a time to."""

_APART_S = 2.0
"""Silence at which a changed word begins a new segment."""

_TOKENS = re.compile(r"[^\W\d_\u0e00-\U0010ffff]+|\d+|\S")
"""In languages written without blanks: words of other scripts and numbers whole, else sign by sign."""


@dataclass(frozen=True)
class _Heard:
    """A token of the transcript: the numbers of its word and its segment."""

    text: str
    start_s: float
    end_s: float
    word: int
    segment: int


@dataclass(frozen=True)
class _Token:
    """A token of the edited file: which piece it is in, and the times it came with."""

    text: str
    piece: int
    start_s: float | None
    end_s: float | None


@dataclass(frozen=True)
class _Placed:
    """A word with its times, where it comes from, and whether a person has changed it."""

    word: Word
    piece: int
    origin: int
    changed: bool


def correct(base: Transcript, edited: Edited, *, corrects: str, force: bool = False) -> Transcript:
    """`base` with the words of `edited`; `corrects` is the data version of `base`.

    Words that are the same but for case and punctuation keep their times and probabilities. The others have the times
    of those they replace, or share the time there is, and probability 1. Of a JSON segment the text counts, not its
    list of words. The same file again gives `base` again. Raises BadInput if that is more than anybody can say in the
    time, or, unless `force`, hardly a word is the same.
    """
    if base.correction is not None and base.correction.digest == edited.digest:
        return base
    words = [word for segment in base.segments for word in segment.words]
    heard = list(_heard(base))
    # Counted before anything is cut up: the file may be a large one of something else.
    letters = sum(len(_bare(piece.text)) for piece in edited.pieces)
    if letters > _FASTEST * base.duration_s + 100:  # a few words more than fit do no harm
        raise BadInput(
            f"{edited.name} has {letters:,} letters, more than anybody says in {base.duration_s:.0f} s.",
            "Check that this is the file of this recording.",
        )
    tokens = list(_tokens(base, edited))
    blocks, same = _align(heard, tokens)
    alike = same / max(len(heard), len(tokens), 1)
    if alike < LEAST_ALIKE and not force:
        raise BadInput(
            f"{edited.name} has {len(tokens):,} words and the transcript {len(heard):,}, of which {same:,} are the same"
            f" ({alike:.0%}): it seems to belong to another recording, or to be a part.",
            "Check the file and the key; --force takes it all the same.",
        )
    placed = list(_whole_words(_place(base, heard, tokens, blocks, words), heard, words))
    segments = list(_segments(base, edited, placed))
    spoken = [word for segment in segments for word in segment.words]
    if spoken == words and (edited.kind != "json" or _speakers(segments) == _speakers(base.segments)):
        segments = base.segments
    changed = sum(max(i2 - i1, j2 - j1) for is_same, i1, i2, j1, j2 in blocks if not is_same)
    changed += sum(
        heard[i1 + k].text != tokens[j1 + k].text
        for is_same, i1, i2, j1, _ in blocks
        if is_same
        for k in range(i2 - i1)
    )
    if segments is base.segments and any(piece.words and _own_words(piece) is None for piece in edited.pieces):
        raise BadInput(
            f'In {edited.name} a "words" was edited and no "text".',
            'Edit the "text" of the segment: that is what counts.',
        )
    correction = Correction(name=edited.name, digest=edited.digest, changed_words=changed, corrects=corrects)
    return base.model_copy(update={"segments": segments, "correction": correction})


def _speakers(segments: Sequence[Segment]) -> list[tuple[float, str | None]]:
    return [(segment.start_s, segment.speaker) for segment in segments]


def _heard(base: Transcript) -> Iterator[_Heard]:
    whole, number = bool(word_separator(base.language)), 0
    for index, segment in enumerate(base.segments):
        for word in segment.words:
            parts = (word.text.split() if whole else _split(word.text)) or [word.text]
            for part, start_s, end_s in _shared(parts, word.start_s, word.end_s):
                yield _Heard(part, start_s, end_s, number, index)
            number += 1


def _tokens(base: Transcript, edited: Edited) -> Iterator[_Token]:
    whole = bool(word_separator(base.language))
    for number, piece in enumerate(edited.pieces):
        words = _own_words(piece)
        if words is not None:
            for word in words:
                parts = [word.text] if whole else _split(word.text)
                for part, start_s, end_s in _shared(parts, word.start_s, word.end_s):
                    yield _Token(part, number, start_s, end_s)
            continue
        parts = piece.text.split() if whole else _split(piece.text)
        if piece.start_s is None or piece.end_s is None:
            yield from (_Token(part, number, None, None) for part in parts)
        else:
            end_s = min(piece.end_s, base.duration_s)
            for part, start, end in _shared(parts, min(piece.start_s, end_s), end_s):
                yield _Token(part, number, start, end)


def _own_words(piece: Piece) -> tuple[Timed, ...] | None:
    """The piece's list of words, if it says the same as its text, which is what people edit."""
    same = piece.words is not None and _bare(piece.text) == _bare("".join(word.text for word in piece.words))
    return piece.words if same else None


def _bare(text: str) -> str:
    return "".join(text.split())


def _split(text: str) -> list[str]:
    """Tokens of a text without blanks between words; marks and punctuation stay with the sign before them."""
    found: list[str] = []
    for token in _TOKENS.findall(text):
        if found and (unicodedata.category(token[0])[0] == "M" or not normalized(token)):
            found[-1] += token
        else:
            found.append(token)
    return found


def _shared(parts: Sequence[str], start_s: float, end_s: float) -> Iterator[tuple[str, float, float]]:
    """The parts, each with its share of the time by its letters."""
    if len(parts) == 1:
        yield parts[0], start_s, end_s
        return
    total, done = sum(map(len, parts)), 0
    for part in parts:
        begun, done = done, done + len(part)
        step = (end_s - start_s) / total
        yield part, round(start_s + step * begun, 3), round(start_s + step * done, 3)


_Block = tuple[bool, int, int, int, int]
"""Whether all is the same in it, then from where to where in what was heard, and in the edited file."""


def _align(heard: Sequence[_Heard], tokens: Sequence[_Token]) -> tuple[list[_Block], int]:
    """Runs of equal and of other tokens by turns, from start to end, and how many are equal.

    The smallest number of changes, by RapidFuzz's bit-parallel Levenshtein distance: three hours take a moment.
    """
    from rapidfuzz.distance import Levenshtein

    blocks: list[_Block] = []
    for code in Levenshtein.opcodes([_key(token.text) for token in heard], [_key(token.text) for token in tokens]):
        same = code.tag == "equal"
        here = (same, code.src_start, code.src_end, code.dest_start, code.dest_end)
        if blocks and not same and not blocks[-1][0]:
            here = (False, blocks[-1][1], here[2], blocks[-1][3], here[4])
            blocks.pop()
        blocks.append(here)
    return blocks, sum(i2 - i1 for same, i1, i2, _, _ in blocks if same)


def _key(text: str) -> str:
    """What makes two tokens the same; a dash or another sign alone is itself."""
    return normalized(text) or text


def _place(
    base: Transcript, heard: Sequence[_Heard], tokens: Sequence[_Token], blocks: Sequence[_Block], words: Sequence[Word]
) -> Iterator[tuple[_Placed, int | None]]:
    """Each token as a word with its times, and the token that it is the same as."""
    latest = 0.0
    for same, i1, i2, j1, j2 in blocks:
        if same:
            for i, j in zip(range(i1, i2), range(j1, j2), strict=True):
                old, token = heard[i], tokens[j]
                probability = words[old.word].probability
                word = Word(start_s=old.start_s, end_s=old.end_s, text=token.text, probability=probability)
                yield _Placed(word, token.piece, old.segment, token.text != old.text), i
            latest = heard[i2 - 1].end_s
            continue
        times = _times(base, heard[i1:i2], tokens[j1:j2], latest, heard[i2].start_s if i2 < len(heard) else None)
        for number, (token, (start_s, end_s)) in enumerate(zip(tokens[j1:j2], times, strict=True)):
            near = min(i1 + number, i2 - 1) if i2 > i1 else max(i1 - 1, 0)
            origin = heard[near].segment if heard else 0
            latest = max(latest, end_s)
            word = Word(start_s=start_s, end_s=end_s, text=token.text, probability=1.0)
            yield _Placed(word, token.piece, origin, True), None


def _times(
    base: Transcript, old: Sequence[_Heard], new: Sequence[_Token], after_s: float, before_s: float | None
) -> list[tuple[float, float]]:
    """Times for `new`, which replaces `old` (maybe nothing), between `after_s` and `before_s` (None: the end)."""
    until_s = base.duration_s if before_s is None else before_s
    hints = [(token.start_s, token.end_s) for token in new if token.start_s is not None and token.end_s is not None]
    if len(new) == len(old):
        times = [(token.start_s, token.end_s) for token in old]
    elif old and (len(new) <= 2 * len(old) or len(hints) < len(new)):
        times = [(start, end) for _, start, end in _shared([t.text for t in new], old[0].start_s, old[-1].end_s)]
    elif len(hints) == len(new):
        times = hints
    else:
        # Nothing says when: beside the word that follows at the very beginning, else after the one before it; and over
        # all of a recording in which nothing was heard.
        needed_s = sum(len(token.text) for token in new) / _SPEED
        start_s, end_s = after_s, until_s
        if before_s is not None and after_s == 0.0:
            start_s = max(after_s, until_s - needed_s)
        elif after_s > 0.0:
            end_s = min(until_s, after_s + needed_s)
        times = [(start, end) for _, start, end in _shared([token.text for token in new], start_s, end_s)]
    within, latest = [], after_s
    for start_s, end_s in times:
        start_s = min(max(start_s, latest), until_s)
        latest = min(max(end_s, start_s), until_s)
        within.append((start_s, latest))
    return within


def _whole_words(
    placed: Iterator[tuple[_Placed, int | None]], heard: Sequence[_Heard], words: Sequence[Word]
) -> Iterator[_Placed]:
    """The same, with tokens that together are a word as it was heard put together again.

    Only languages written without blanks have words of more than one token.
    """
    sizes = [0] * len(words)
    for token in heard:
        sizes[token.word] += 1
    run: list[tuple[_Placed, int | None]] = []
    for item in placed:
        if run and not _continues(run, item, heard):
            yield from _joined(run, heard, words, sizes)
            run = []
        run.append(item)
    yield from _joined(run, heard, words, sizes)


def _continues(
    run: list[tuple[_Placed, int | None]], item: tuple[_Placed, int | None], heard: Sequence[_Heard]
) -> bool:
    (last, before), (this, now) = run[-1], item
    if before is None or now is None or now != before + 1 or this.piece != last.piece:
        return False
    return heard[now].word == heard[before].word and not (this.changed or last.changed)


def _joined(
    run: list[tuple[_Placed, int | None]], heard: Sequence[_Heard], words: Sequence[Word], sizes: Sequence[int]
) -> Iterator[_Placed]:
    if run and run[0][1] is not None and not run[0][0].changed:
        number = heard[run[0][1]].word
        if sizes[number] == len(run):
            first = run[0][0]
            yield _Placed(words[number], first.piece, first.origin, False)
            return
    yield from (item for item, _ in run)


def _segments(base: Transcript, edited: Edited, placed: Sequence[_Placed]) -> Iterator[Segment]:
    """The segments of a JSON as they are; else those that were heard, cut where a change makes a sentence or a gap."""
    group: list[_Placed] = []
    for item in placed:
        if group and _begins(edited, group[-1], item):
            yield _segment(base, edited, group)
            group = []
        group.append(item)
    if group:
        yield _segment(base, edited, group)


def _begins(edited: Edited, last: _Placed, this: _Placed) -> bool:
    if edited.kind == "json":
        return this.piece != last.piece
    if this.origin != last.origin:
        return True
    apart = this.word.start_s - last.word.end_s >= _APART_S
    return (last.changed or this.changed) and (apart or bool(SENTENCE_END.search(last.word.text)))


def _segment(base: Transcript, edited: Edited, group: Sequence[_Placed]) -> Segment:
    """One segment; its figures are the worst of those its words come from, and none where nothing was heard."""
    origins = [base.segments[number] for number in sorted({item.origin for item in group}) if base.segments]
    speaker = edited.pieces[group[0].piece].speaker if edited.kind == "json" else None
    if edited.kind != "json" and origins:
        speaker = origins[0].speaker
    return Segment(
        start_s=group[0].word.start_s,
        end_s=group[-1].word.end_s,
        text=word_separator(base.language).join(item.word.text for item in group),
        words=[item.word for item in group],
        avg_logprob=min((origin.avg_logprob for origin in origins), default=0.0),
        no_speech_prob=max((origin.no_speech_prob for origin in origins), default=0.0),
        compression_ratio=max((origin.compression_ratio for origin in origins), default=1.0),
        speaker=speaker,
    )
