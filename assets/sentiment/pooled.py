"""The classifier to use for texts of any kind: the best of all files' champions on one validation file.

Belongs here: the asset, who competes, and what each has learned from. Does not belong here: which rows count
(`shared.py`), how a champion is chosen (`resources/training/champion.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets.sentiment import choosing
from assets.sentiment.card import SentimentCard
from assets.sentiment.reading import ReadingConfig
from assets.sentiment.recipe import PRODUCT
from assets.sentiment.source import GROUP, OWNERS
from resources.errors import BadInput, CorruptArtifact, MissingArtifact, failures
from resources.intake.identity import shown
from resources.store import records
from resources.store.codecs import OutdatedArtifact
from resources.store.io_manager import ArtifactStore
from resources.store.records import Record
from resources.store.types import Checkpoint, Tensors
from resources.tracking import Tracking
from resources.training.choosing import checkpoint_digest
from resources.training.crowning import beats_baselines_check, champion_result
from resources.training.documents import Evaluation
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    import numpy as np

    from assets.sentiment.rows import Rows
    from assets.sentiment.shared import Shared

_DATASET = dg.AssetKey(f"{PRODUCT}_dataset")
_UNUSABLE = (CorruptArtifact, MissingArtifact, OutdatedArtifact)


class SentimentPooledConfig(ReadingConfig):
    """The file that all are judged by, and how it is read where that can't be recognised."""

    validation: str | None = Field(
        default=None,
        description="Path of a CSV file of labelled tweets. Empty: there is nothing to compare files' champions on.",
    )


@dataclass(frozen=True)
class _Candidate:
    """A file's champion: where it is stored, the data version of its checkpoint, and the (file, data version) of every
    dataset it has learned from.
    """

    record: Record
    checkpoint: str
    learned: frozenset[tuple[str, str]]

    @property
    def file(self) -> str:
        return str(self.record.partition)


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    # Read one after the other, not taken as an input: together their weights may be more than a device holds.
    deps=[dg.AssetDep("sentiment_champion", partition_mapping=dg.AllPartitionMapping())],
    group_name=GROUP,
    kinds={"torch"},
    owners=OWNERS,
    pool="gpu",
    code_version="1",
    dagster_type=Checkpoint,
    description=(
        "The best of all files' champions by macro recall on one validation file, which the owner names"
        " (SCRIPTORIUM_SENTIMENT_VALIDATION, or `validation` in the config). Tweets of it that a candidate has learned"
        " from are left out. One that reigns is replaced only by what is better beyond chance. The verdict is also in"
        f" `library/{PRODUCT}/{choosing.POOLED}/champion/`."
    ),
    check_specs=[beats_baselines_check(PRODUCT, asset="sentiment_pooled_champion")],
)
def sentiment_pooled_champion(
    context: dg.AssetExecutionContext,
    config: SentimentPooledConfig,
    store: ArtifactStore,
    trainer: Trainer,
    tracking: Tracking,
) -> dg.MaterializeResult:
    with failures():
        needed()
        rows, name = _rows(config)
        candidates = _candidates(context, store)
        shared, candidates = _shared(context, store, rows, candidates)
        evaluations = {
            candidate.file: _evaluated(context, store, candidate, shared, trainer.device()) for candidate in candidates
        }
        of = {candidate.checkpoint: candidate.record for candidate in candidates}
        result = champion_result(
            context,
            store,
            tracking,
            PRODUCT,
            evaluations,
            of=choosing.POOLED,
            data_version=shared.data_version,
            find=of.__getitem__,
        )
        return dg.MaterializeResult(
            value=result.value,
            metadata={
                **(result.metadata or {}),
                "validation_file": name,
                "rows": rows.counts.read,
                "rows_judged_by": len(shared.texts),
                "rows_learned_from": shared.seen,
                **{f"rows_{what}": getattr(rows.counts, what) for what in ("neutral", "duplicates", "contradicting")},
                "candidates": len(candidates),
            },
            check_results=result.check_results,
        )


def _rows(config: SentimentPooledConfig) -> tuple["Rows", str]:
    """The labelled tweets of the validation file, each once, and the file's name. Raises: BadInput."""
    from assets.sentiment import labels
    from assets.sentiment.rows import distinct

    if not config.validation:
        raise BadInput(
            "No validation file is named on which the champions of all files could be compared.",
            "Set SCRIPTORIUM_SENTIMENT_VALIDATION to the path of a CSV file of labelled tweets that no file of the"
            " inbox has, or `validation` in this asset's config.",
        )
    path = Path(config.validation).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            f'The validation file "{shown(str(path), 500)}" can\'t be read ({error.strerror}).',
            "Check the path in SCRIPTORIUM_SENTIMENT_VALIDATION, or `validation` in the config.",
        ) from error
    return distinct(labels.read(path.name, content, config.options()), divided=False), shown(path.name)


def _candidates(context: dg.AssetExecutionContext, store: ArtifactStore) -> list[_Candidate]:
    """The champions of all files that can be read. Raises: BadInput if there is none."""
    found = []
    for file in sorted(context.instance.get_materialized_partitions(choosing.OF_FILE)):
        record = records.latest(context.instance, choosing.OF_FILE, file)
        if record is None or record.manifest is None:
            continue
        try:
            card = _card(store, record)
            found.append(_Candidate(record, checkpoint_digest(record), _learned(context, store, card)))
        except _UNUSABLE as error:
            context.log.warning(f"The champion of {file} does not compete: {error.message}")
    if not found:
        raise BadInput(
            "No file has a champion yet.", f"Run `scriptorium train {PRODUCT}`, or the job {PRODUCT}, for a file first."
        )
    return found


def _card(store: ArtifactStore, record: Record) -> SentimentCard:
    value = store.load(record, "cpu")
    assert isinstance(value, Checkpoint), "assets of these names return checkpoints"
    assert isinstance(value.card, SentimentCard), "a sentiment checkpoint has a sentiment card"
    return value.card


def _learned(
    context: dg.AssetExecutionContext, store: ArtifactStore, card: SentimentCard
) -> frozenset[tuple[str, str]]:
    """Its own dataset, and those of the checkpoints that its training began with.

    Raises: MissingArtifact if one of these checkpoints is gone, so that nobody can tell.
    """
    learned = {(card.file, card.data_version)}
    while card.started_from is not None:
        earlier = choosing.by_data_version(context.instance, card.started_from.checkpoint)
        if earlier is None:
            raise MissingArtifact(
                f"The checkpoint {card.started_from.checkpoint[:12]} of {card.started_from.file}, which it started"
                " from, is gone: what it has learned from is not known.",
                "Train the file again.",
            )
        card = _card(store, earlier)
        learned.add((card.file, card.data_version))
    return frozenset(learned)


def _shared(
    context: dg.AssetExecutionContext, store: ArtifactStore, rows: "Rows", candidates: list[_Candidate]
) -> tuple["Shared", list[_Candidate]]:
    """The rows to judge by, and the candidates of whom it is known that they have learned from none of these.

    Raises: BadInput if too few rows or no candidate is left.
    """
    from assets.sentiment.shared import unseen

    known: dict[tuple[str, str], np.ndarray] = {}
    kept = []
    for candidate in candidates:
        try:
            for of in sorted(candidate.learned - known.keys()):
                known[of] = _identities(context, store, *of)
        except _UNUSABLE as error:
            context.log.warning(f"The champion of {candidate.file} does not compete: {error.message}")
            continue
        kept.append(candidate)
    if not kept:
        raise BadInput("Of no champion it is known what it has learned from.", "Train the files again.")
    learned = {of for candidate in kept for of in candidate.learned}
    return unseen(rows, (known[of] for of in sorted(learned))), kept


def _identities(context: dg.AssetExecutionContext, store: ArtifactStore, file: str, data_version: str) -> "np.ndarray":
    """Identities of the train and validation tweets of a dataset: uint8 (n, 16).

    Raises: MissingArtifact if that version of it is gone; what loading raises.
    """
    from assets.sentiment.tokenizing import texts_of
    from resources.text.tweets import PARTS, identities

    made: Iterator[Record] = (
        record
        for record in records.versions(context.instance, _DATASET, file)
        if record.digest == data_version and record.manifest is not None
    )
    record = next(made, None)
    if record is None:
        raise MissingArtifact(
            f"The dataset {data_version[:12]} of {file}, from which it has learned, is gone.", "Train the file again."
        )
    dataset = store.load(record, "cpu")
    assert isinstance(dataset, Tensors), "datasets are tensors"
    test = (dataset["split"] == PARTS.index("test")).tolist()
    return identities(text for text, is_test in zip(texts_of(dataset), test, strict=True) if not is_test)


def _evaluated(
    context: dg.AssetExecutionContext, store: ArtifactStore, candidate: _Candidate, shared: "Shared", device: str
) -> Evaluation:
    """How a candidate does on the shared rows, under its file's name."""
    import torch

    from assets.sentiment import judging, predicting
    from assets.sentiment.parts import Part

    value: Any = store.load(candidate.record, "cpu")
    card = predicting.card_of(value)
    rows = {"validation": Part(shared.texts, torch.from_numpy(shared.labels))}
    context.log.info(f"{candidate.file}: {card.preset} on {len(shared.texts):,} tweets")
    logits = judging.answers(value, rows, device, context.log)
    return judging.evaluation(
        card,
        logits,
        judging.scores(logits, rows, card.temperature),
        checkpoint=candidate.checkpoint,
        data_version=shared.data_version,
        model=candidate.file,
    )
