"""CIFAR-10 as tensors, made once from wherever the images are.

Belongs here: the asset, fetching the archive, what is recorded and checked. Does not belong here: reading archives and
folders (`source.py`), drawing the parts (`splitting.py`).
"""

import base64
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from resources.errors import failures
from resources.store.types import Tensors
from resources.training.trainer import Trainer, needed

GROUP = "cifar10"
OWNERS = ["team:scriptorium"]
OFFICIAL = "official"
CLASSES = 10
_SHEET_BYTES = 65_000
"""Every event of the asset stores the contact sheet, as base64, which is a third longer."""
_SHEET_ROWS = 8


class Cifar10DatasetConfig(dg.Config):
    """Where the images are, and how they are divided."""

    source: str = Field(
        default=OFFICIAL,
        min_length=1,
        description=(
            "`official` downloads CIFAR-10 (170 MB) once. Otherwise a path: the archive, the folder it unpacks to,"
            " or an archive or folder of images in `train/<class>/` and `test/<class>/`, or in `<class>/`."
        ),
    )
    validation_share: float = Field(
        default=0.1, ge=0.01, le=0.5, description="Share of each class outside the test part that goes to validation."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed by which validation images are drawn.")


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Tensors,
    description=(
        "Images of ten classes: `images` uint8 (n, 3, 32, 32) in RGB, `labels` int64 (n,), `split` uint8 (n,) with 0"
        " train, 1 validation, 2 test, and `class_names` (UTF-8, one a line, label 0 first). CIFAR-10 itself has"
        " 45,000, 5,000 and 10,000 of them."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "counts_per_class",
            asset="cifar10_dataset",
            blocking=True,
            description=(
                "There are ten classes with images in every part, in CIFAR-10 itself 4,500, 500 and 1,000 at the"
                " default share. Elsewhere classes of different sizes are a warning."
            ),
        ),
        dg.AssetCheckSpec(
            "no_image_in_two_parts",
            asset="cifar10_dataset",
            description="No test image is also there for training or validation, pixel by pixel. A warning if one is.",
        ),
    ],
)
def cifar10_dataset(
    context: dg.AssetExecutionContext, config: Cifar10DatasetConfig, trainer: Trainer
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.cifar10 import source, splitting

        labelled = source.read(_place(context, config.source, Path(trainer.cache)), context.log)
        same = splitting.copies(labelled.images, labelled.labels, labelled.test)
        parts = splitting.split(labelled.labels, labelled.test, same.once, config.validation_share, config.seed)
    counted = splitting.counts(labelled.labels, parts, len(labelled.names))
    warnings = _warnings(labelled, same, counted)
    for warning in warnings:
        context.log.warning(warning)
    sheet = base64.b64encode(_contact_sheet(labelled, parts)).decode()
    return dg.MaterializeResult(
        value=_tensors(labelled, parts),
        metadata={
            "images": len(labelled.labels),
            **{f"images_{name}": int(count) for name, count in zip(splitting.PARTS, counted.sum(0), strict=True)},
            "classes": len(labelled.names),
            "counts": dg.MetadataValue.md(_table(labelled.names, counted)),
            "contact_sheet": dg.MetadataValue.md(f"![images](data:image/jpeg;base64,{sheet})"),
            "source": config.source,
            "source_form": labelled.form,
            "source_digest": labelled.digest,
            "is_cifar10": labelled.official,
            "test_images_also_in_train": same.across,
            "duplicates_within_a_part": same.within,
            "files_left_out": len(labelled.odd),
            "warnings": dg.MetadataValue.md("\n".join(f"- {warning}" for warning in warnings) or "none"),
        },
        check_results=[
            _counts_check(labelled, counted, config.validation_share),
            dg.AssetCheckResult(
                check_name="no_image_in_two_parts",
                passed=same.across == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{same.across:,} test images are also outside the test part.",
                metadata={"test_images_also_in_train": same.across},
            ),
        ],
    )


def _place(context: dg.AssetExecutionContext, where: str, cache: Path) -> Path:
    """The archive or folder; the official archive is fetched into the cache if it is not there."""
    if where != OFFICIAL:
        return Path(where).expanduser().absolute()
    from assets.cifar10 import source
    from resources.download import download

    target = cache / GROUP / source.URL.rpartition("/")[2]
    return download(source.URL, target, sha256=source.SHA256, md5=source.MD5, size=source.SIZE, log=context.log)


def _tensors(labelled: Any, parts: Any) -> Tensors:
    import torch

    names = "\n".join(labelled.names).encode()
    return Tensors(
        {
            "images": torch.from_numpy(labelled.images),
            "labels": torch.from_numpy(labelled.labels),
            "split": torch.from_numpy(parts),
            "class_names": torch.frombuffer(bytearray(names), dtype=torch.uint8),
        }
    )


def _counts_check(labelled: Any, counted: Any, validation_share: float) -> dg.AssetCheckResult:
    classes, least = len(labelled.names), int(counted.min())
    official = labelled.official and {*counted[:, 2].tolist()} == {1000} and {*counted[:, :2].sum(1).tolist()} == {5000}
    if classes != CLASSES or not least:
        empty = [name for name, row in zip(labelled.names, counted, strict=True) if not row.min()]
        text = f"There are {classes} classes instead of {CLASSES}." if classes != CLASSES else ""
        text += f" Without images in some part: {', '.join(empty)}." if empty else ""
    elif labelled.official and not official:
        text = "This is CIFAR-10's archive, but not every class has 5,000 and 1,000 images."
    else:
        text = ""
    stops = bool(text)
    uneven = len({tuple(row) for row in counted.tolist()}) > 1
    if not stops:
        text = (
            "Classes have different sizes." if uneven else f"Each class has {' / '.join(map(str, counted[0]))} images."
        )
    return dg.AssetCheckResult(
        check_name="counts_per_class",
        passed=not stops and not uneven,
        severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
        description=text.strip(),
        metadata={"classes": classes, "least": least, "most": int(counted.max()), "validation_share": validation_share},
    )


def _warnings(labelled: Any, same: Any, counted: Any) -> list[str]:
    """What a person should know before trusting a score on these images."""
    found = []
    if len({tuple(row) for row in counted.tolist()}) > 1:
        found.append("Classes have different sizes; accuracy favours the large ones.")
    if same.across:
        found.append(f"{same.across:,} test images are also in the training or validation part: scores are too good.")
    if same.within:
        found.append(f"{same.within:,} images are further copies of one in the same part; none is used for validation.")
    if same.disputed:
        found.append(f"{same.disputed:,} images have a copy in another class.")
    if labelled.odd:
        found.append(f"{len(labelled.odd):,} files were left out: {'; '.join(labelled.odd[:10])}")
    return found


def _table(names: tuple[str, ...], counted: Any) -> str:
    from assets.cifar10.splitting import PARTS

    rows = [(name, *row) for name, row in zip(names, counted.tolist(), strict=True)]
    lines = [f"| class | {' | '.join(PARTS)} |", "|---|" + "---:|" * len(PARTS)]
    for name, *row in [*rows, ("all", *counted.sum(0).tolist())]:
        lines.append(f"| {name.replace('|', '/')} | {' | '.join(f'{count:,}' for count in row)} |")
    return "\n".join(lines)


def _contact_sheet(labelled: Any, parts: Any) -> bytes:
    """JPEG: a column of training images for each class, evenly picked, since neighbours may be alike."""
    import numpy as np

    from resources.media.sheets import Picture, jpeg, sheet

    columns = []
    names = labelled.names[: 2 * CLASSES]
    for label in range(len(names)):
        known = np.flatnonzero((labelled.labels == label) & (parts == 0))
        shown = known[np.linspace(0, len(known) - 1, min(_SHEET_ROWS, len(known))).astype(int)]
        columns.append([Picture(labelled.images[i]) for i in shown])
    blank = Picture(np.full((3, 32, 32), 255, np.uint8))
    rows = [[column[row] if row < len(column) else blank for column in columns] for row in range(_SHEET_ROWS)]
    pictures = [picture for row in rows for picture in row]
    return jpeg(sheet(pictures, columns=len(columns), heads=names), _SHEET_BYTES)
