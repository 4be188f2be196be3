"""The three baselines of a file as checkpoints, each with its evaluation.

Belongs here: making them of a dataset, and which is best. Does not belong here: how two of them are fitted
(`baselines.py`), the network of the third (`network.py`), the asset (`baseline.py`). Pure torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from assets.sentiment import baselines, judging, network
from assets.sentiment.card import TOKENIZER, SentimentCard
from assets.sentiment.parts import Part
from assets.sentiment.recipe import PRODUCT
from assets.sentiment.scoring import METRIC
from resources.progress import Logger, Progress
from resources.store.types import Checkpoint
from resources.training.classification import fitted_temperature
from resources.training.documents import Evaluation

CODE_VERSION = "1"
NAMES = ("majority", "released", "tfidf")
SHOWN = (METRIC, "macro_f1", "accuracy")
"""The figures of every baseline that the card of the best one has."""
_UNKNOWN = ""
"""Stands for a checkpoint's own data version in the evaluation stored with it: that follows from what is stored."""


@dataclass(frozen=True)
class Released:
    """A pretrained classifier as it was released: the `model` with two outputs, on the CPU, the name and digest of its
    files, and its tokenizer.
    """

    model: Any
    base: str
    base_digest: str
    tokenizer: bytes
    pad_id: int
    max_length: int


@dataclass(frozen=True)
class Rival:
    """A baseline: its checkpoint, and how it does. `said` tells in words what it is."""

    checkpoint: Checkpoint
    evaluation: Evaluation
    said: str

    @property
    def name(self) -> str:
        return self.evaluation.model

    @property
    def value(self) -> float:
        """Macro recall on validation, which chooses among the baselines."""
        return self.evaluation.metrics["validation"][METRIC]


def all_of(
    parts: Mapping[str, Part],
    *,
    file: str,
    data_version: str,
    released: Released | None,
    device: str,
    seed: int = 0,
    log: Logger | None = None,
) -> list[Rival]:
    """The baselines of a dataset, the best on validation first; of equals the simplest."""
    made = [_majority(parts), _terms(parts, seed, log)]
    if released is not None:
        made.insert(1, _released(released))
    held_out = {name: parts[name] for name in judging.JUDGED}
    rivals = []
    for checkpoint, said in made:
        common = {"file": file, "data_version": data_version}
        of = Checkpoint(checkpoint.weights, checkpoint.card.model_copy(update=common), checkpoint.files)
        rivals.append(_judged(of, said, held_out, device, log))
    return sorted(rivals, key=lambda rival: -rival.value)


def best(rivals: Sequence[Rival]) -> tuple[Checkpoint, Evaluation]:
    """The first one's checkpoint, whose card has the figures of all, and its evaluation."""
    first = rivals[0]
    figures = {
        f"{rival.name}_{short}_{name}": rival.evaluation.metrics[split][name]
        for rival in rivals
        for split, short in (("validation", "val"), ("test", "test"))
        for name in SHOWN
    }
    card = _card_of(first.checkpoint)
    whole = card.model_copy(update={"metrics": {**card.metrics, **figures}})
    return Checkpoint(first.checkpoint.weights, whole, first.checkpoint.files), first.evaluation


def table(rivals: Sequence[Rival]) -> str:
    """Markdown: a line for each baseline, the best first."""
    lines = [
        f"| baseline | {' | '.join(f'{name}, {split}' for split in judging.JUDGED for name in SHOWN)} | what it is |",
        f"|---|{'---:|' * 6}---|",
    ]
    for number, rival in enumerate(rivals):
        figures = [f"{rival.evaluation.metrics[split][name]:.4f}" for split in judging.JUDGED for name in SHOWN]
        name = rival.name if number else f"**{rival.name}**"
        lines.append(f"| {name} | {' | '.join(figures)} | {rival.said} |")
    return "\n".join([*lines, "", "The best on validation, in bold, is the one to beat; test chooses nothing."])


def _judged(checkpoint: Checkpoint, said: str, parts: Mapping[str, Part], device: str, log: Logger | None) -> Rival:
    """With the temperature that fits validation, except where every answer is the same."""
    logits = judging.answers(checkpoint, parts, device, log)
    card = _card_of(checkpoint)
    if card.model != "majority":
        temperature = fitted_temperature(logits["validation"], parts["validation"].labels)
        card = card.model_copy(update={"temperature": temperature})
    scores = judging.scores(logits, parts, card.temperature)
    metrics = {f"val_{name}": value for name, value in scores["validation"].metrics.items()}
    card = card.model_copy(update={"metrics": metrics})
    evaluation = judging.evaluation(card, logits, scores, checkpoint=_UNKNOWN)
    return Rival(Checkpoint(checkpoint.weights, card, checkpoint.files), evaluation, said)


def _majority(parts: Mapping[str, Part]) -> tuple[Checkpoint, str]:
    weights = baselines.majority(parts["train"].labels, len(network.LABELS))
    likeliest = network.LABELS[int(weights["log_share"].argmax())]
    return _checkpoint("majority", weights, {}, {"model": "majority"}), f"always {likeliest}, as in most train tweets"


def _terms(parts: Mapping[str, Part], seed: int, log: Logger | None) -> tuple[Checkpoint, str]:
    train, validation = parts["train"], parts["validation"]
    step = id if log is None else Progress(log, "fitting TF-IDF", baselines.fits(), "fits").update
    found = baselines.fit_terms(
        train.texts, train.labels.numpy(), validation.texts, validation.labels.numpy(), seed=seed, step=step
    )
    kinds = " and ".join(found.terms)
    recipe = {
        "model": "tfidf",
        "terms": list(found.terms),
        "C": found.strength,
        "rows": found.rows,
        "tried": found.tried,
    }
    files = {baselines.VOCABULARY: found.vocabulary}
    rows = f"{found.rows:,} train tweets" if found.rows < len(train) else "all train tweets"
    said = (
        f"logistic regression (C = {found.strength:g}) on TF-IDF of {kinds}: {_count(found.terms):,} terms, {rows};"
        " terms and C chosen on validation"
    )
    return _checkpoint("tfidf", found.weights, files, recipe, seed), said


def _released(of: Released) -> tuple[Checkpoint, str]:
    weights = {name: tensor.detach().clone() for name, tensor in of.model.state_dict().items()}
    made = _checkpoint("network", weights, {TOKENIZER: of.tokenizer}, {"model": "released", "base": of.base})
    fields = {
        "preset": "released",
        "base": of.base,
        "base_digest": of.base_digest,
        "base_head": "released",
        "config": network.config_of(of.model),
        "max_length": of.max_length,
        "pad_id": of.pad_id,
    }
    checkpoint = Checkpoint(made.weights, made.card.model_copy(update=fields), made.files)
    return checkpoint, f"{of.base} as released, without its neutral output: nothing is trained"


def _checkpoint(
    model: str, weights: Mapping[str, Tensor], files: Mapping[str, bytes], recipe: dict[str, Any], seed: int = 0
) -> Checkpoint:
    card = SentimentCard(
        product=PRODUCT,
        preset=model,
        recipe=recipe,
        overrides={},
        baseline=True,
        data_version="",
        code_version=CODE_VERSION,
        seed=seed,
        metrics={},
        file="",
        model=model,
        labels=network.LABELS,
        temperature=1.0,
    )
    return Checkpoint(weights, card, dict(files))


def _card_of(checkpoint: Checkpoint) -> SentimentCard:
    assert isinstance(checkpoint.card, SentimentCard), "made here"
    return checkpoint.card


def _count(terms: Mapping[str, Sequence[str]]) -> int:
    return sum(len(each) for each in terms.values())
