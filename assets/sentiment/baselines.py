"""What a fine-tuned network has to beat: the most frequent class, and TF-IDF with logistic regression.

Belongs here: terms of a text, fitting these two, and logits from what was fitted. Scikit-learn fits; what it found is
kept as plain tensors and a list of terms and evaluated here, so that predictions need neither it nor a pickle.
Does not belong here: the third baseline, which is a pretrained network as it is (`network.py`), and which of the three
is best (`baseline.py`). Pure: torch, numpy, scikit-learn. In float64 on the CPU.
"""

from __future__ import annotations

import itertools
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

VOCABULARY = "vocabulary.json"
"""Name of the list of terms among a checkpoint's files."""

STRENGTHS = (1.0, 3.0, 10.0)
"""Scikit-learn's C, the inverse of the penalty: on 80,000 tweets the best of 0.3 to 8 was 3 to 4 for either kind of
terms; one step lower and higher for files of other sizes. Validation chooses."""

_TOKEN = re.compile(r"[\w']+|[^\w\s]+")  # words with their apostrophes (don't), and runs of signs: emoticons, !!!
_SHORTEST, _LONGEST = 3, 5  # letters of a run
_CHUNK = 4096  # texts at a time; bounds memory


@dataclass(frozen=True)
class Kind:
    """A kind of terms: `of` gives those of a text, one in fewer than `fewest` texts is left out.

    At most `rows` texts are learned from: so many take about 2 GB.
    """

    of: Callable[[str], list[str]]
    fewest: int
    rows: int


def words(text: str) -> list[str]:
    """Words and pairs of neighbouring words."""
    tokens = _TOKEN.findall(text.casefold())
    return tokens + [f"{first} {second}" for first, second in itertools.pairwise(tokens)]


def letters(text: str) -> list[str]:
    """Runs of 3 to 5 letters within words, a blank before and behind each: they see through spelling and endings."""
    runs = []
    for word in text.casefold().split():
        padded = f" {word} "
        for size in range(_SHORTEST, _LONGEST + 1):
            runs += [padded[i : i + size] for i in range(max(1, len(padded) - size + 1))]
            if len(padded) <= size:  # a word shorter than the run counts once
                break
    return runs


KINDS = {"words": Kind(words, 2, 2_000_000), "letters": Kind(letters, 5, 200_000)}
CHOICES: tuple[tuple[str, ...], ...] = (("words",), ("words", "letters"))
"""Kinds of terms that are tried together. Letters help where there are few tweets, and cost ten times as much time."""


@dataclass(frozen=True)
class Terms:
    """A fitted TF-IDF with logistic regression. `weights` are, for each kind, `<kind>_idf` and `<kind>_coefficients`,
    float64 (terms,), and `intercept` (1,). `terms` are the terms of each kind, in the order of these.

    `strength` is the C that was chosen, `rows` the number of texts learned from, `tried` the macro recall on validation
    of every choice.
    """

    weights: dict[str, Tensor]
    terms: dict[str, list[str]]
    strength: float
    rows: int
    tried: dict[str, float]

    @property
    def vocabulary(self) -> bytes:
        """The terms as a file: JSON, from the kind to its list."""
        return json.dumps(self.terms, ensure_ascii=False).encode()


def majority(labels: Tensor, classes: int) -> dict[str, Tensor]:
    """`log_share` (classes,) of train labels (n,). Each class counts one more, so that none has a share of 0."""
    counts = torch.bincount(labels.cpu().long(), minlength=classes).double() + 1
    return {"log_share": (counts / counts.sum()).log()}


def majority_logits(weights: Mapping[str, Tensor], count: int) -> Tensor:
    """The same for every text: float64 (count, classes)."""
    return weights["log_share"].cpu().double().expand(count, -1)


def fit_terms(
    train: Sequence[str],
    labels: np.ndarray,
    validation: Sequence[str],
    truth: np.ndarray,
    *,
    seed: int = 0,
    step: Callable[[int], object] = id,
) -> Terms:
    """The best on validation, by macro recall, of every choice of terms and every strength; of equals the first.

    `labels` (n,) and `truth` are 0 and 1. Both classes weigh the same, as in the metric. Where a kind of terms may have
    fewer texts than there are, they are drawn by `seed`. `step` hears how many of `fits()` fits are done.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import recall_score
    from threadpoolctl import threadpool_limits

    best: tuple[float, Any, Any, tuple[str, ...], float, int] | None = None
    tried: dict[str, float] = {}
    done = 0
    for kinds in CHOICES:
        some = _some(len(train), min(KINDS[kind].rows for kind in kinds), seed)
        vectorizer, x = _vectorized(kinds, [train[i] for i in some])
        held_out = vectorizer.transform(validation)
        for strength in STRENGTHS:
            model = LogisticRegression(C=strength, class_weight="balanced", max_iter=1000)
            # One thread: sums in another order would give other last digits.
            with threadpool_limits(1), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no full convergence: it is used as it is, and judged by its scores
                model.fit(x, labels[some])
            recall = float(recall_score(truth, model.predict(held_out), average="macro"))
            tried[f"{' and '.join(kinds)}, C = {strength:g}"] = recall
            if best is None or recall > best[0]:
                best = recall, vectorizer, model, kinds, strength, len(some)
            step(done := done + 1)
    assert best is not None, "there are choices to try"
    _, vectorizer, model, kinds, strength, rows = best
    return Terms(*_taken(vectorizer, model, kinds), strength, rows, tried)


def fits() -> int:
    """How many fits `fit_terms` makes."""
    return len(CHOICES) * len(STRENGTHS)


def vectorizers(kinds: Sequence[str], rare: bool = True) -> Any:
    """Scikit-learn's TF-IDF of these kinds of terms, side by side: 1 + log(count), times idf, each of length 1.

    With `rare` terms that too few texts have are left out.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion

    def of(kind: Kind) -> Any:
        return TfidfVectorizer(analyzer=kind.of, min_df=kind.fewest if rare else 1, sublinear_tf=True)

    return FeatureUnion([(kind, of(KINDS[kind])) for kind in kinds])


def _vectorized(kinds: Sequence[str], texts: list[str]) -> tuple[Any, Any]:
    """Fitted vectorizers, and what they make of these texts."""
    for rare in (True, False):
        vectorizer = vectorizers(kinds, rare)
        try:
            return vectorizer, vectorizer.fit_transform(texts)
        except ValueError:  # of a handful of texts, or where every tweet is one word, all terms are rare
            if not rare:
                raise
    raise AssertionError("the second try returns or raises")


def terms_logits(weights: Mapping[str, Tensor], vocabulary: bytes, texts: Sequence[str]) -> Tensor:
    """Logits (n, 2), float64, of what `fit_terms` found; `vocabulary` is its file. Their difference is scikit-learn's
    decision function.
    """
    decision = np.full(len(texts), float(weights["intercept"][0]))
    for kind, terms in json.loads(vocabulary).items():
        place = {term: number for number, term in enumerate(terms)}
        idf = weights[f"{kind}_idf"].cpu().double().numpy()
        coefficients = weights[f"{kind}_coefficients"].cpu().double().numpy()
        for start in range(0, len(texts), _CHUNK):
            some = texts[start : start + _CHUNK]
            rows, columns, counts = _counted(some, KINDS[kind].of, place)
            values = (1 + np.log(counts)) * idf[columns]
            norm = np.sqrt(np.bincount(rows, values**2, len(some)))
            sums = np.bincount(rows, values * coefficients[columns], len(some))
            decision[start : start + len(some)] += np.divide(sums, norm, out=np.zeros(len(some)), where=norm > 0)
    half = torch.from_numpy(decision) / 2
    return torch.stack([-half, half], 1)


def _counted(
    texts: Sequence[str], of: Callable[[str], list[str]], place: Mapping[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Text, term and how often it occurs there, for the known terms of all texts."""

    def found() -> Iterator[int]:
        for row, text in enumerate(texts):
            start = row * len(place)
            for term in of(text):
                if term in place:
                    yield start + place[term]

    cells, counts = np.unique(np.fromiter(found(), np.int64), return_counts=True)
    return cells // max(1, len(place)), cells % max(1, len(place)), counts


def _taken(vectorizer: Any, model: Any, kinds: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, list[str]]]:
    """The numbers and the terms out of scikit-learn's objects."""
    weights = {"intercept": torch.from_numpy(np.array(model.intercept_, np.float64))}
    terms: dict[str, list[str]] = {}
    start = 0
    for (_, one), kind in zip(vectorizer.transformer_list, kinds, strict=True):
        terms[kind] = [str(term) for term in one.get_feature_names_out()]
        own = model.coef_[0, start : start + len(terms[kind])]
        weights[f"{kind}_idf"] = torch.from_numpy(np.array(one.idf_, np.float64))
        weights[f"{kind}_coefficients"] = torch.from_numpy(np.array(own, np.float64))
        start += len(terms[kind])
    return weights, terms


def _some(count: int, most: int, seed: int) -> np.ndarray:
    """Numbers of the rows to learn from, in order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
