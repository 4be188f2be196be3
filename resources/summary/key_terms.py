"""The words and phrases a recording is about, and when they are said.

Belongs here: finding and weighing candidates. Pure: no Dagster, no numpy.
Does not belong here: stems and empty words (`vocabulary.py`).

A candidate is a run of up to four words with a subject, unbroken by an empty word or by punctuation (as in RAKE: Rose
et al., 2010). Inflected forms are one candidate. A candidate's weight grows with how often it is said and with its
length. As in C-value (Frantzi, Ananiadou and Mima, 2000) a word counts only where no phrase that was chosen holds it.
Without a tagger, nouns are told from adjectives by their place: they close a run of words, or open it where adjectives
follow.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resources.summary.documents import KeyTerm
from resources.summary.sentences import Sentence
from resources.summary.vocabulary import Token, Vocabulary

_LONGEST = 4
_LONGEST_TERM = 80
"""Letters; four of the longest words in use have fewer, what a recogniser invents may have hundreds."""
_TIMES = 5
_FEW = 5
"""With fewer terms than these, words that are said only once will do."""
_NOUN_FIRST = frozenset(
    {"fr", "es", "pt", "it", "ro", "ca", "gl", "oc", "vi", "id", "ms", "ar", "he", "fa", "th", "sw"}
)
_ADJECTIVES = {"ru": ("ый", "ая", "ое", "ые", "ую", "ого", "ому", "ыми", "ых", "ым")}
"""Endings of words that close no phrase: where the adjective comes last it says something of the noun."""

_Stems = tuple[str, ...]


@dataclass
class _Term:
    """What is known of one candidate."""

    surfaces: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    heads: int = 0
    """How often it stands where a noun stands in a run of words."""
    named: int = 0
    """How often it is capitalised inside a sentence."""
    placed: int = 0
    """How often it stands inside a sentence, where a capital means a name."""
    common: int = 0
    """How often it starts or ends with a word that is common in any talk."""


def key_terms(sentences: Sequence[Sentence], vocabulary: Vocabulary, wanted: int) -> list[KeyTerm]:
    """At most `wanted` terms, most important first, each with up to five times in seconds spread over where it is said.

    Deterministic; linear in the number of words.
    """
    terms = _candidates(sentences, vocabulary)
    often = {stems: term for stems, term in terms.items() if len(term.times) >= 2}
    chosen = _choose(often, wanted)
    if len(chosen) < min(_FEW, wanted):
        listed: set[_Stems] = {part for stems in chosen for part in (stems, *((stem,) for stem in stems))}
        once: dict[_Stems, _Term] = {
            stems: term for stems, term in terms.items() if len(stems) == 1 and stems not in listed
        }
        chosen += _choose(once, min(_FEW, wanted) - len(chosen))
    return [KeyTerm(term=_surface(terms[stems]), times_s=_spread(terms[stems].times)) for stems in chosen]


def distinctive(parts: Sequence[Sequence[Sentence]], vocabulary: Vocabulary, wanted: int) -> list[list[str]]:
    """For each part of a recording at most `wanted` terms that are said there rather than elsewhere, the best first.

    A term must be said twice in its part. No two terms of a part share a word.
    """
    found = [_candidates(part, vocabulary) for part in parts]
    everywhere: Counter[_Stems] = Counter()
    for terms in found:
        everywhere.update({stems: len(term.times) for stems, term in terms.items()})
    chosen: list[list[str]] = []
    for terms in found:
        often = {stems: term for stems, term in terms.items() if len(term.times) >= 2}
        best: list[_Stems] = []
        own = {stems: len(term.times) / everywhere[stems] for stems, term in often.items()}
        for stems in _choose(often, 4 * wanted, own):
            if len(best) < wanted and not any(set(stems) & set(other) for other in best):
                best.append(stems)
        chosen.append([_surface(terms[stems]) for stems in best])
    return chosen


def _candidates(sentences: Sequence[Sentence], vocabulary: Vocabulary) -> dict[_Stems, _Term]:
    terms: defaultdict[_Stems, _Term] = defaultdict(_Term)
    noun_first = vocabulary.language in _NOUN_FIRST
    adjectives = _ADJECTIVES.get(vocabulary.language, ())
    for sentence in sentences:
        for run in _runs(sentence.text, vocabulary.tokens(sentence.text)):
            for low in range(len(run)):
                for high in range(low + 1, min(low + _LONGEST, len(run)) + 1):
                    head = low == 0 if noun_first else high == len(run)
                    head = head and not run[high - 1].surface.casefold().endswith(adjectives)
                    _note(terms, sentence, run[low:high], head, vocabulary.joiner)
    return terms


def _runs(text: str, tokens: list[Token]) -> list[list[Token]]:
    """Neighbouring words with a subject, nothing but blanks between them."""
    runs: list[list[Token]] = [[]]
    for index, token in enumerate(tokens):
        if index and text[tokens[index - 1].end : token.start].strip():
            runs.append([])
        if token.empty:
            runs.append([])
        else:
            runs[-1].append(token)
    return [run for run in runs if run]


def _note(terms: dict[_Stems, _Term], sentence: Sentence, run: list[Token], head: bool, joiner: str) -> None:
    stems = tuple(token.stem for token in run)
    if sum(len(token.surface) for token in run) > _LONGEST_TERM:
        return
    if len(set(stems)) < len(stems) or (joiner == "" and len(stems) == 1 and len(stems[0]) < 2):
        return
    term = terms[stems]
    term.surfaces[joiner.join(token.surface for token in run)] += 1
    term.times.append(sentence.time_at(run[0].start))
    term.heads += head
    if run[0].start > 0:
        term.placed += 1
        term.named += run[0].surface[0].isupper()
    term.common += run[0].common or run[-1].common


def _choose(terms: dict[_Stems, _Term], wanted: int, own: Mapping[_Stems, float] | None = None) -> list[_Stems]:
    """The weightiest terms, one after the other; what a chosen phrase holds no longer counts for its words.

    `own` is a factor of each term's weight.
    """
    share = own or {}

    def weight(stems: _Stems, times: int) -> float:
        return _weight(stems, terms[stems], times) * share.get(stems, 1.0)

    left = {stems: len(term.times) for stems, term in terms.items()}
    chosen: list[_Stems] = []
    while len(chosen) < wanted and left:
        best = min(left, key=lambda stems: (-weight(stems, left[stems]), terms[stems].times[0], stems))
        times = left.pop(best)
        if times <= 0 or _weight(best, terms[best], times) <= 0:
            break
        if any(_inside(best, other) and 2 * times < len(terms[best].times) for other in chosen):
            continue  # mostly said as part of a phrase that is listed
        chosen.append(best)
        for stems in left:
            if _inside(stems, best):
                left[stems] -= times
            elif len(best) > 1 and _inside(best, stems):
                left[stems] = 0  # an extension of a phrase that is listed says nothing more
    return chosen


def _weight(stems: _Stems, term: _Term, times: int) -> float:
    if times <= 0:
        return 0.0
    head = 0.25 + 0.75 * term.heads / len(term.times)
    name = 1.25 if term.placed and term.named * 2 > term.placed else 1.0
    common = 1.0 if term.common * 2 <= len(term.times) else 0.25 if len(stems) == 1 else 0.5
    return len(stems) ** 1.4 * times**0.8 * head * common * name


def _inside(short: _Stems, long: _Stems) -> bool:
    return len(short) < len(long) and any(
        long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1)
    )


def _surface(term: _Term) -> str:
    """The form that is said most often; capitals stay where they are not due to the start of a sentence."""
    forms: Counter[str] = Counter()
    for surface, times in term.surfaces.items():
        forms[surface.casefold()] += times
    most = max(forms.values())
    best = next(form for form in forms if forms[form] == most)
    spelt = Counter({surface: times for surface, times in term.surfaces.items() if surface.casefold() == best})
    common = max(spelt, key=lambda surface: spelt[surface])
    if term.named * 2 > term.placed or not common[1:].islower():
        return common  # a name, or nothing that is known from inside a sentence
    return common[0].lower() + common[1:]


def _spread(times: list[float]) -> list[float]:
    """At most five of `times`, the first and the last among them, evenly spread over their order."""
    distinct = sorted(set(times))
    if len(distinct) <= _TIMES:
        return distinct
    return [distinct[round(step * (len(distinct) - 1) / (_TIMES - 1))] for step in range(_TIMES)]
