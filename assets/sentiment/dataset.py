"""One file of labelled tweets as tensors: recognised, cleaned, each tweet once, tokenized once.

Belongs here: the asset, its config, what is recorded and checked. Does not belong here: labels (`labels.py`), what is
left out (`rows.py`), tokens (`tokenizing.py`).
"""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from assets.sentiment.reading import AUTO, ReadingConfig
from assets.sentiment.recipe import SentimentRecipe
from assets.sentiment.source import GROUP, OWNERS, labelled_file, sentiment_file
from dagster_project.partitions import sentiment_files
from resources.checks import partition_check
from resources.errors import BadInput, failures
from resources.intake.sentiment import quoted
from resources.store.types import Tensors
from resources.training import presets
from resources.training.trainer import Trainer, needed

PRESETS = Path(__file__).with_name("presets.yaml")
_UNEVEN = 0.2
"""Share of the smaller class from which on a file is uneven. TweetEval's sentiment, without neutral, has 0.28."""
_SHOWN = 10  # rows of the preview


class SentimentDatasetConfig(ReadingConfig):
    """How the file is read, where that can't be recognised, and for which preset it is tokenized."""

    preset: str = Field(
        default=AUTO,
        min_length=1,
        description="Entry of presets.yaml that is trained on this file; `auto`: the default of this machine.",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the parts a tweet may fall into.")
    limit: int | None = Field(
        default=None, ge=1, description="Use so many different tweets at most, as good as drawn. Empty: all."
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[sentiment_file],
    partitions_def=sentiment_files,
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Tensors,
    description=(
        "Labelled tweets as token ids, ordered by length: `ids` int32 (n, L) filled up on the right, `lengths` int32"
        " (n,), `labels` uint8 (n,) with 0 negative and 1 positive, `split` uint8 (n,) with 0 train, 1 validation, 2"
        " test. `texts` (UTF-8) and `offsets` int64 (n + 1,) have the cleaned texts, `tokenizer` its tokenizer.json,"
        " `about` (JSON) the preset, the base and the counts. Each tweet is there once; its part follows from what it"
        " says, whatever file it is in."
    ),
    check_specs=[
        partition_check(
            "no_leak_between_splits",
            asset="sentiment_dataset",
            partitions_def=sentiment_files,
            blocking=True,
            description="No tweet is in more than one of train, validation and test, counted anew from the texts.",
        ),
        partition_check(
            "classes_balanced",
            asset="sentiment_dataset",
            partitions_def=sentiment_files,
            description=(
                f"The smaller class has a share of {_UNEVEN:.0%} or more. A warning if not: look at macro-F1 rather"
                " than accuracy, and take a preset with class_weights."
            ),
        ),
    ],
)
def sentiment_dataset(
    context: dg.AssetExecutionContext, config: SentimentDatasetConfig, trainer: Trainer
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.sentiment import labels, rows, tokenizing
        from resources.text import pretrained

        file = labelled_file(context)
        name, recipe = _preset(config.preset, trainer)
        labelled = labels.read(file.name, file.content, config.options())
        context.log.info(f"{len(labelled.texts):,} rows of {labelled.form}, {labelled.encoding}")
        found = rows.distinct(labelled, seed=config.seed, limit=config.limit)
        base = pretrained.encoder(recipe.base, trainer.cache, trainer.offline)
        tokenizer = pretrained.tokenizer(base)
        max_length = min(recipe.max_length, tokenizer.longest)
        tokens = tokenizing.tokenized(found.texts, tokenizer.content, tokenizer.pad_id, max_length, context.log)
        per_part = _per_part(found)
        about = {
            "preset": name,
            "base": base.name,
            "base_digest": base.digest,
            "pad_id": tokenizer.pad_id,
            "max_length": max_length,
            "labels": list(labels.CLASSES),
            "seed": config.seed,
            "counts": {**vars(found.counts), "truncated": tokens.truncated},
            "per_part": per_part,
        }
        dataset = tokenizing.dataset(found, tokens, tokenizer.content, about)
        leaks = rows.leaks(tokenizing.texts_of(dataset), dataset["split"].numpy())
    used = found.counts.used
    share = float(min((found.labels == label).mean() for label in range(len(labels.CLASSES))))
    return dg.MaterializeResult(
        value=dataset,
        metadata={
            **{f"rows_{what}": count for what, count in vars(found.counts).items()},
            **{f"rows_{part}": sum(counts.values()) for part, counts in per_part.items()},
            "label_values": dg.MetadataValue.md(_values_table(labelled)),
            "parts": dg.MetadataValue.md(_parts_table(per_part)),
            "truncated_share": round(tokens.truncated / used, 6),
            "tokens": int(tokens.lengths.sum()),
            "token_lengths": dg.MetadataValue.md(_lengths(tokens.lengths, max_length)),
            "preview": dg.MetadataValue.md(_preview(found)),
            "preset": name,
            "base": base.name,
            "base_why": base.said,
            "encoding": labelled.encoding,
            "form": labelled.form,
            "text_column": labelled.text_column,
            "label_column": labelled.label_column,
            "file": file.name,
            "file_digest": file.digest,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="no_leak_between_splits",
                passed=leaks == 0,
                description=f"{leaks:,} tweets are in more than one part.",
                metadata={"leaks": leaks},
            ),
            dg.AssetCheckResult(
                check_name="classes_balanced",
                passed=share >= _UNEVEN,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"The smaller class has {share:.1%} of the tweets.",
                metadata={"smaller_share": share},
            ),
        ],
    )


def _preset(name: str, trainer: Trainer) -> tuple[str, SentimentRecipe]:
    """The preset's name and recipe. Raises: BadInput, BadPreset."""
    known = presets.read(PRESETS, SentimentRecipe)
    if name == AUTO:
        machine = "cpu" if trainer.device() == "cpu" else "gpu"
        default = next((preset for preset, recipe in known.items() if machine in recipe.default_on), None)
        if default is None:
            raise BadInput(f"No preset is the default on a {machine}.", f"Set `preset` to one of {', '.join(known)}.")
        name = default
    if name not in known:
        raise BadInput(f'There is no preset "{name}".', f"Set `preset` to one of {', '.join(known)}.")
    return name, known[name]


def _per_part(found: Any) -> dict[str, dict[str, int]]:
    from assets.sentiment.labels import CLASSES
    from resources.text.tweets import PARTS

    counts = found.per_part().tolist()
    return {part: dict(zip(CLASSES, row, strict=True)) for part, row in zip(PARTS, counts, strict=True)}


def _parts_table(per_part: dict[str, dict[str, int]]) -> str:
    lines = ["| part | negative | positive | all |", "|---|---:|---:|---:|"]
    for part, counts in per_part.items():
        figures = [counts["negative"], counts["positive"], sum(counts.values())]
        lines.append(f"| {part} | {' | '.join(f'{figure:,}' for figure in figures)} |")
    return "\n".join(lines)


def _values_table(labelled: Any) -> str:
    """Each label as the file has it, its rows, and the class it stands for."""
    lines = ["| label | rows | means |", "|---|---:|---|"]
    for value, (count, meaning) in labelled.values.items():
        means = "neutral, left out" if meaning == "neutral" else meaning or "nothing, left out"
        lines.append(f"| {quoted(value, 40) or '(empty)'} | {count:,} | {means} |")
    return "\n".join(lines)


def _lengths(lengths: Any, max_length: int) -> str:
    from resources.training import plots

    return plots.as_markdown(plots.histogram(lengths, "tokens of a tweet", "tweets", max_length), "token lengths")


def _preview(found: Any) -> str:
    """Some cleaned rows: those with the lowest digests, which is as good as drawn."""
    from assets.sentiment.labels import CLASSES
    from resources.text.tweets import PARTS

    lines = ["| label | part | text |", "|---|---|---|"]
    for text, label, part in zip(found.texts[:_SHOWN], found.labels, found.split, strict=False):
        lines.append(f"| {CLASSES[label]} | {PARTS[part]} | {quoted(text)} |")
    return "\n".join(lines)
