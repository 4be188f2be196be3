"""Prices of the rows in dropped CSV files, with intervals.

Belongs here: the asset, the file it writes and what is recorded of it. Does not belong here: prices (`predicting.py`),
reading CSV (`tables.py`).
"""

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets.housing.checkpoint import PRODUCT
from assets.housing.dataset import GROUP, OWNERS, housing_questions
from dagster_project.partitions import housing_batches
from resources.commonmark import bullets
from resources.errors import BadInput, failures
from resources.intake import batches
from resources.store.io_manager import ArtifactStore
from resources.store.types import Files
from resources.training import choosing
from resources.training.results import publish_predictions

if TYPE_CHECKING:
    import numpy as np

    from assets.housing.card import HousingCard
    from assets.housing.predicting import Prices
    from assets.housing.tables import Questions

PREDICTIONS, SKIPPED = "predictions.csv", "skipped.txt"
_OURS = ("file", "line", "price", "low", "high", "outside")
_SHOWN_DIGITS = 8  # of a digest, as in the names of runs: enough to tell a preset's checkpoints apart
_SHOWN = 20  # rows and problems on the event's page; all are in the files


class HousingPredictionsConfig(dg.Config):
    """Which model is asked."""

    checkpoint: str = Field(
        default=choosing.CHAMPION, description="`champion`, a preset, or the beginning of a checkpoint's data version."
    )


@dataclass(frozen=True)
class _Priced:
    """All rows of a batch, file after file."""

    questions: list["Questions"]
    prices: "Prices"
    outside: list[str]
    target: "np.ndarray"


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[housing_questions, dg.AssetDep("housing_champion")],
    partitions_def=housing_batches,
    group_name=GROUP,
    kinds={"python", "csv"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Files,
    description=(
        f"`{PREDICTIONS}`: every row of the dropped files with its price and the ends of a 90 % interval in 1000 USD;"
        " `outside` names columns whose value lies outside what the model learned from. Rows that can't be read are in"
        f" `{SKIPPED}`. Both are also in `library/{PRODUCT}/predictions/<partition>/`; where another checkpoint than"
        " the champion was asked for, in `<partition>~<preset>-<its digest>/`."
    ),
)
def housing_predictions(
    context: dg.AssetExecutionContext, config: HousingPredictionsConfig, store: ArtifactStore
) -> dg.MaterializeResult:
    with failures():
        from assets.housing import predicting
        from assets.housing.card import HousingCard

        started = time.monotonic()
        checkpoint, record = choosing.chosen(context.instance, store, PRODUCT, config.checkpoint, "cpu")
        card = checkpoint.card
        assert isinstance(card, HousingCard), "a housing checkpoint has a housing card"
        questions, problems = _read(context, card)
        if not any(len(one.values) for one in questions):
            raise BadInput(
                "No row of these files can be priced:\n" + "\n".join(problems[:_SHOWN]),
                "Correct the files, and drop them again.",
            )
        priced = _priced(questions, card, lambda values: predicting.predict(checkpoint, values))
        files: dict[str, Any] = {PREDICTIONS: _csv(priced, card).encode()}
        if problems:
            files[SKIPPED] = ("\n".join(problems) + "\n").encode()
        digest = choosing.checkpoint_digest(record)
        by = f"{card.preset}-{digest[:_SHOWN_DIGITS]}"
        # What others say lies beside the champion's predictions, never in their place.
        key = context.partition_key
        folder = publish_predictions(
            store, PRODUCT, key if config.checkpoint == choosing.CHAMPION else f"{key}~{by}", files
        )
    say = context.log.warning if problems else context.log.info
    say(
        f"{by} priced {len(priced.prices.price):,} rows, {len(problems):,} rows or files were skipped"
        f"{f' and are listed in {SKIPPED}' if problems else ''}: {folder}/{PREDICTIONS}"
    )
    return dg.MaterializeResult(
        value=Files(files),
        metadata={
            "rows": len(priced.prices.price),
            "skipped": len(problems),
            "outside_what_was_learned": sum(1 for names in priced.outside if names),
            "median_price": round(float(_median(priced.prices.price)), 3),
            "model": card.preset,
            "checkpoint": digest,
            "folder": dg.MetadataValue.path(folder),
            "preview": dg.MetadataValue.md(_preview(priced)),
            "wall_s": round(time.monotonic() - started, 3),
            **({"problems": dg.MetadataValue.md(bullets(problems, _SHOWN))} if problems else {}),
            **_compared(priced),
        },
    )


def _read(context: dg.AssetExecutionContext, card: "HousingCard") -> tuple[list["Questions"], list[str]]:
    """The rows of every file that is as it was taken in, and what is left out, a line each."""
    from assets.housing import tables

    def read(name: str, content: bytes) -> tuple["Questions", Sequence[str]]:
        one = tables.read_questions(name, content, card.columns)
        return one, one.problems

    return batches.read_each(context, housing_questions.key.to_user_string(), read)


def _priced(questions: list["Questions"], card: "HousingCard", predict: Any) -> _Priced:
    import numpy as np
    import torch

    values = np.concatenate([one.values for one in questions])
    below, above = values < np.array(card.lowest, np.float32), values > np.array(card.highest, np.float32)
    outside = [" ".join(np.array(card.columns)[row]) for row in below | above]
    prices = predict(torch.from_numpy(values))
    return _Priced(questions, prices, outside, np.concatenate([one.target for one in questions]))


def _csv(priced: _Priced, card: "HousingCard") -> str:
    """A header and all rows: where each stands, price, interval, columns outside, then the cells as they were."""
    from assets.housing import tables

    # The same column under other names in several files is one column; what the model does not know keeps its name.
    named = [_unlike([tables.name_of(cell) or _free(cell) for cell in one.header]) for one in priced.questions]
    header = list(dict.fromkeys(name for names in named for name in names))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_OURS, *header])
    number = 0
    for one, names in zip(priced.questions, named, strict=True):
        for line, cells in zip(one.lines, one.cells, strict=True):
            prices = [f"{x[number]:.3f}" for x in (priced.prices.price, priced.prices.low, priced.prices.high)]
            given = dict(zip(names, cells, strict=True))
            writer.writerow([one.name, line, *prices, priced.outside[number], *(given.get(n, "") for n in header)])
            number += 1
    return out.getvalue()


def _free(name: str) -> str:
    """A column's own name, or another one where we write a column of that name."""
    return f"{name} (input)" if name.casefold() in _OURS else name


def _unlike(names: list[str]) -> list[str]:
    """Names of a file's columns, those that repeat numbered."""
    before: dict[str, int] = {}
    out = []
    for name in names:
        before[name] = before.get(name, 0) + 1
        out.append(name if before[name] == 1 else f"{name} ({before[name]})")
    return out


def _compared(priced: _Priced) -> dict[str, Any]:
    """How far off the prices are, where the files have them."""
    import numpy as np

    known = ~np.isnan(priced.target)
    if not known.any():
        return {}
    true = priced.target[known].astype(float)
    price, low, high = (x[known] for x in (priced.prices.price, priced.prices.low, priced.prices.high))
    return {
        "rows_with_price": int(known.sum()),
        "rmse": round(float(np.sqrt(np.square(price - true).mean())), 4),
        "mae": round(float(np.abs(price - true).mean()), 4),
        "coverage": round(float(((low <= true) & (true <= high)).mean()), 4),
    }


def _median(values: "np.ndarray") -> float:
    import numpy as np

    return float(np.median(values))


def _preview(priced: _Priced) -> str:
    """The first rows as Markdown."""
    places = [f"{one.name}, line {line}" for one in priced.questions for line in one.lines]
    lines = ["| row | price, 1000 USD | interval | outside |", "|---|---|---|---|"]
    for number, place in enumerate(places[:_SHOWN]):
        given = priced.prices
        shown = place.replace("|", "\\|")
        interval = f"{given.low[number]:.1f} to {given.high[number]:.1f}"
        lines.append(f"| {shown} | {given.price[number]:.1f} | {interval} | {priced.outside[number]} |")
    return "\n".join(lines) + (f"\n\n… and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else "")
