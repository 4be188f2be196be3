"""Which checkpoints of language models there are, and which of them learned from one corpus.

Belongs here: asking Dagster's event log for them. Does not belong here: comparing them (`comparing.py`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from assets.tweets.lstm_card import LstmCard
from assets.tweets.transformer_card import TransformerCard
from resources.errors import BadInput, CorruptArtifact, MissingArtifact
from resources.store import records
from resources.store.codecs import OutdatedArtifact
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint

CORPUS = "corpus"
"""Where the materialization of a checkpoint says which corpus it learned from."""
KINDS = {"lstm": dg.AssetKey("lstm_checkpoint"), "transformer": dg.AssetKey("transformer_checkpoint")}
"""The two kinds of network, by the word before the slash in a model's name."""
TRAIN = "scriptorium train tweets"
COMPARISON = dg.AssetKey("completion_comparison")
BEST, BEST_CHECKPOINT = "best", "best_checkpoint"
"""Where the materialization of a comparison names the best model, and its checkpoint's data version."""
AUTO = "auto"
_DIGEST = re.compile(r"[0-9a-f]{6,64}\Z")
"""Shorter beginnings are typing errors rather than digests."""
_UNUSABLE = (CorruptArtifact, MissingArtifact, OutdatedArtifact)


@dataclass(frozen=True)
class Model:
    """A stored checkpoint: `name` is `lstm/<preset>` or `transformer/<preset>`, `digest` its data version."""

    name: str
    digest: str
    record: Record

    @property
    def kind(self) -> str:
        return self.name.partition("/")[0]


def models(instance: dg.DagsterInstance) -> list[Model]:
    """The newest checkpoint of every preset of both kinds: LSTMs first, each kind by its presets' names."""
    found = []
    for kind, asset in KINDS.items():
        for preset in sorted(instance.get_materialized_partitions(asset)):
            record = records.latest(instance, asset, preset)
            if record is not None and record.manifest is not None and record.digest is not None:
                found.append(Model(f"{kind}/{preset}", record.digest, record))
    return found


def find(instance: dg.DagsterInstance, name: str = AUTO) -> Model:
    """The checkpoint called `name`: `lstm/<preset>`, `transformer/<preset>`, a preset that only one kind has, or the
    beginning of a checkpoint's data version (6 or more hex digits).

    `auto` is the best one of the latest comparison; the newest checkpoint where nothing was compared yet, or what was
    best is gone. Raises: BadInput if there is none, or several.
    """
    there = models(instance)
    if not there:
        raise BadInput("There is no language model of tweets yet.", f"Train some: {TRAIN}")
    if name == AUTO:
        return _best(instance) or max(there, key=lambda model: model.record.timestamp)
    found = [model for model in there if name in (model.name, model.name.partition("/")[2])]
    if not found and _DIGEST.match(name):
        found = [model for model in _versions(instance) if model.digest.startswith(name)]
    if len({model.digest for model in found}) == 1:
        return found[0]
    names = ", ".join([AUTO, *(model.name for model in there)])
    many = f"{len(found)} checkpoints are meant by {name!r}" if found else f"There is no checkpoint {name!r}"
    raise BadInput(f"{many}.", f"There are: {names}.")


def _best(instance: dg.DagsterInstance) -> Model | None:
    compared = records.latest(instance, COMPARISON, None)
    if compared is None or compared.event is None:
        return None
    said = [compared.event.metadata.get(name) for name in (BEST, BEST_CHECKPOINT)]
    if None in said:
        return None
    name, digest = (str(value.value) for value in said if value is not None)
    return next((model for model in _versions(instance) if (model.name, model.digest) == (name, digest)), None)


def _versions(instance: dg.DagsterInstance) -> list[Model]:
    """Every checkpoint that is stored, of each preset the newest first."""
    return [
        Model(f"{kind}/{preset}", record.digest, record)
        for kind, asset in KINDS.items()
        for preset in sorted(instance.get_materialized_partitions(asset))
        for record in records.versions(instance, asset, preset)
        if record.manifest is not None and record.digest is not None
    ]


def card_of(checkpoint: Checkpoint) -> LstmCard | TransformerCard:
    """Its card. Raises: BadInput if it is another product's."""
    if not isinstance(checkpoint.card, LstmCard | TransformerCard):
        raise BadInput(f"The checkpoint's card is a {type(checkpoint.card).__name__}.", "Choose one of tweets.")
    return checkpoint.card


def load(store: ArtifactStore, model: Model, device: str | None = "cpu") -> Checkpoint:
    """The checkpoint itself. Raises: what loading an input raises."""
    value = store.load(model.record, device)
    assert isinstance(value, Checkpoint), "assets of these names return checkpoints"
    return value


def _corpus_of(store: ArtifactStore, model: Model) -> str:
    """What its event says; else what its card says, for which the whole checkpoint is loaded."""
    said = None if model.record.event is None else model.record.event.metadata.get(CORPUS)
    return card_of(load(store, model)).corpus if said is None else str(said.value)


def of_corpus(
    instance: dg.DagsterInstance, store: ArtifactStore, corpus: str, wanted: Sequence[str]
) -> tuple[list[Model], list[str]]:
    """The models that learned from `corpus`, all or those `wanted` by name, and a line on each that was passed over.

    Raises: BadInput if one that is wanted is not there or of another corpus, or if the models have not at least an LSTM
    and a transformer among them.
    """
    there = models(instance)
    names = [model.name for model in there]
    if unknown := [name for name in wanted if name not in names]:
        raise BadInput(
            f"There is no checkpoint {', '.join(unknown)}.", f"There are: {', '.join(names) or 'none'}. Train: {TRAIN}"
        )
    chosen, passed = [], []
    for model in there:
        if wanted and model.name not in wanted:
            continue
        try:
            learned = _corpus_of(store, model)
        except _UNUSABLE as error:
            passed.append(f"{model.name} can't be read: {error.message}")
            continue
        if learned == corpus:
            chosen.append(model)
        else:
            passed.append(f"{model.name} learned from another corpus ({learned[:12]}) than there is now")
    if wanted and passed:
        raise BadInput(f"{'; '.join(passed)}.", f"Train it again: {TRAIN}")
    if lacking := [kind for kind in KINDS if kind not in {model.kind for model in chosen}]:
        why = f" ({'; '.join(passed)})" if passed else ""
        jobs = " and ".join(f"tweets_train_{kind}" for kind in lacking)
        raise BadInput(
            f"A comparison needs an LSTM and a transformer of the current corpus; no {' and no '.join(lacking)} is"
            f" there{why}.",
            f"Train them: {TRAIN}, or the job {jobs}.",
        )
    return chosen, passed
