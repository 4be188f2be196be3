"""What a checkpoint sees in a batch of images.

Belongs here: the asset and what is recorded about it. Does not belong here: decoding (`images.py`), the network
(`predicting.py`), the CSV files and the gallery (`answers.py`).
"""

import base64
import os
import time
from collections import Counter
from typing import Any

import dagster as dg
from pydantic import Field

from assets.cifar10.dataset import GROUP, OWNERS
from assets.cifar10.external import cifar10_images
from dagster_project.partitions import cifar10_batches
from resources.checks import partition_check
from resources.errors import BadInput, failures
from resources.intake.batches import files_of
from resources.intake.identity import shown
from resources.progress import Progress
from resources.store.io_manager import ArtifactStore
from resources.store.types import Files
from resources.training.choosing import CHAMPION, checkpoint_digest, chosen
from resources.training.results import publish_predictions
from resources.training.trainer import Trainer, needed

PREDICTIONS, SKIPPED, GALLERY = "predictions.csv", "skipped.csv", "gallery.png"
_INLINE_BYTES = 65_000
"""Every event of the asset stores the gallery, as base64, which is a third longer."""
_LISTED = 10
_SHOWN_DIGITS = 8  # of a digest, as in the names of runs: enough to tell a preset's checkpoints apart


class Cifar10PredictionsConfig(dg.Config):
    """Which checkpoint predicts."""

    checkpoint: str = Field(
        default=CHAMPION,
        min_length=1,
        description="`champion`, a preset, or the beginning of a checkpoint's data version (6 or more hex digits).",
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[cifar10_images, dg.AssetKey("cifar10_champion")],
    partitions_def=cifar10_batches,
    group_name=GROUP,
    kinds={"python", "torch", "csv"},
    owners=OWNERS,
    pool="gpu",
    code_version="1",
    dagster_type=Files,
    description=(
        f"What is on the images of a batch: `{PREDICTIONS}` with class and probabilities of each, `{GALLERY}`, and"
        f" `{SKIPPED}` with the files that are no whole image, if there are any. Also in the library's"
        " `cifar10/predictions/<partition key>/`; where another checkpoint than the champion was asked for, in"
        " `<partition key>~<preset>-<its digest>/`."
    ),
    check_specs=[
        partition_check(
            "every_file_predicted",
            asset="cifar10_predictions",
            partitions_def=cifar10_batches,
            description="Every file of the batch is a whole image. A warning if one is not.",
        )
    ],
)
def cifar10_predictions(
    context: dg.AssetExecutionContext, config: Cifar10PredictionsConfig, store: ArtifactStore, trainer: Trainer
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.cifar10 import answers
        from assets.cifar10.predicting import card_of

        key = context.partition_key
        device = trainer.device()
        checkpoint, record = chosen(context.instance, store, GROUP, config.checkpoint, device)
        card = card_of(checkpoint)
        started = time.monotonic()
        names, images, skipped = _read(context)
        decoded = time.monotonic()
        probabilities = _predicted(checkpoint, images, device)
        ended = time.monotonic()

        picture = answers.gallery(names, images, card.class_names, probabilities)
        files = {PREDICTIONS: answers.predictions_csv(names, card.class_names, probabilities), GALLERY: _png(picture)}
        if skipped:
            files[SKIPPED] = answers.skipped_csv(skipped)
        digest = checkpoint_digest(record)
        by = f"{card.preset}-{digest[:_SHOWN_DIGITS]}"
        # What others say lies beside the champion's predictions, never in their place.
        place = publish_predictions(store, GROUP, key if config.checkpoint == CHAMPION else f"{key}~{by}", files)
    count, total = len(names), len(names) + len(skipped)
    context.log.info(
        f"{by} predicted {count:,} of {total:,} files, {len(skipped):,} were skipped;"
        f" {count / (ended - started):,.0f} images/s: {place}/{PREDICTIONS}"
    )
    return dg.MaterializeResult(
        value=Files(files),
        metadata={
            "images": count,
            "skipped": len(skipped),
            "images_per_s": round(count / (ended - started), 1),
            "images_per_s_decoding": round(count / (decoded - started), 1),
            "images_per_s_model": round(count / (ended - decoded), 1),
            "mean_probability": round(float(probabilities.max(1).mean()), 4),
            "classes": dg.MetadataValue.md(_table(card.class_names, probabilities)),
            "gallery": dg.MetadataValue.md(f"![predictions](data:image/jpeg;base64,{_inline(picture)})"),
            "skipped_files": dg.MetadataValue.md(_listed(skipped) or "none"),
            "folder": dg.MetadataValue.path(place),
            "predicted_by": card.preset,
            "checkpoint": digest,
            "device": device,
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="every_file_predicted",
                passed=not skipped,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{len(skipped):,} of {total:,} files were left out." if skipped else "All were predicted.",
                metadata={"skipped": len(skipped), "files": total},
            )
        ],
    )


def _read(context: dg.AssetExecutionContext) -> tuple[list[str], Any, list[tuple[str, str]]]:
    """Names and pixels, uint8 (n, 3, 32, 32), of the batch's images, and which files were left out for which reason.

    Raises: MissingOriginal if the batch is unknown; BadInput if not one file is an image.
    """
    import numpy as np

    from assets.cifar10.images import OddImage, decode_all

    whole, others = files_of(context, cifar10_images.key.to_user_string(), context.partition_key, missing="leave")
    skipped = [
        (file.name, "it has changed since it was taken in" if file.path.exists() else "it is gone") for file in others
    ]
    names: list[str] = []
    images: list[Any] = []
    progress = Progress(context.log, "decoding images", len(whole), "images")
    decoded = decode_all((file.path for file in whole), threads=min(8, os.cpu_count() or 1))
    for number, (file, image) in enumerate(zip(whole, decoded, strict=True), 1):
        if isinstance(image, OddImage):
            skipped.append((file.name, str(image)))
        else:
            names.append(file.name)
            images.append(image)
        if number % 100 == 0 or number == len(whole):
            progress.update(number)
    if not images:
        listed = "; ".join(f'"{shown(name)}": {reason}' for name, reason in skipped[:_LISTED])
        more = f"; and {len(skipped) - _LISTED:,} more" if len(skipped) > _LISTED else ""
        raise BadInput(f"None of the batch's files can be used: {listed}{more}.", "Give images such as PNG or JPEG.")
    return names, np.stack(images), sorted(skipped)


def _predicted(checkpoint: Any, images: Any, device: str) -> Any:
    """Probabilities float32 (n, classes), a NumPy array."""
    import torch

    from assets.cifar10.predicting import predict

    return predict(checkpoint, torch.from_numpy(images), device).numpy()


def _png(picture: Any) -> bytes:
    from resources.media.sheets import png

    return png(picture)


def _inline(picture: Any) -> str:
    from resources.media.sheets import jpeg

    return base64.b64encode(jpeg(picture, _INLINE_BYTES)).decode()


def _table(class_names: tuple[str, ...], probabilities: Any) -> str:
    """How many images are of each class, the most frequent first, and how sure the checkpoint is of them."""
    best, sure = probabilities.argmax(1), probabilities.max(1)
    lines = ["| class | images | mean probability |", "|---|---:|---:|"]
    for label, count in Counter(best.tolist()).most_common():
        name = class_names[label].replace("|", "/")
        lines.append(f"| {name} | {count:,} | {sure[best == label].mean():.1%} |")
    return "\n".join(lines)


def _listed(skipped: list[tuple[str, str]]) -> str:
    lines = [f"- `{shown(name).replace('`', ' ')}`: {reason}" for name, reason in skipped[: 2 * _LISTED]]
    if len(skipped) > len(lines):
        lines.append(f"- and {len(skipped) - len(lines):,} more, see `{SKIPPED}`")
    return "\n".join(lines)
