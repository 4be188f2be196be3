"""The corpus as rows of token ids, ready to lie on a device.

Belongs here: the asset and what is recorded of it. Does not belong here: ids of texts (`bpe.py`), filling rows
(`packing.py`).
"""

import json
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from assets.tweets.source import GROUP, OWNERS
from resources.errors import BadInput, failures
from resources.progress import Progress
from resources.store.types import File, Table, Tensors
from resources.training.trainer import needed

SPLITS = ("train", "validation", "test")
_MOST_WASTE = 0.03
_SMALL = 200
"""Of fewer rows, the last ones, which nothing is left to fill, are more than a few."""


class TweetTokensConfig(dg.Config):
    """The shape of the rows."""

    row_length: int = Field(
        default=64,
        ge=16,
        le=1024,
        description="Tokens a network learns from in one row. Longer tweets go on in the next row.",
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed of which tweets share a row, and of the rows' order."
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    group_name=GROUP,
    kinds={"python", "torch"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Tensors,
    description=(
        "Tweets packed into rows. For each split: `<split>_rows` int16 (rows, 1 + row_length), each the end mark, whole"
        " tweets with the mark after each, and marks to fill it up; `<split>_used` int32 (rows,), how many ids after"
        " the first are tweets'. `tokenizer` is tokenizer.json and `about` is JSON, both as bytes."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "nothing_lost",
            asset="tweet_tokens",
            blocking=True,
            description="The rows hold as many tweets and tokens as the corpus has.",
        ),
        dg.AssetCheckSpec(
            "little_waste",
            asset="tweet_tokens",
            description="Less than 3 % of the train rows' places are there to fill them up. A warning if it is more.",
        ),
    ],
)
def tweet_tokens(
    context: dg.AssetExecutionContext, config: TweetTokensConfig, tweet_corpus: Table, tweet_tokenizer: File
) -> dg.MaterializeResult:
    with failures():
        needed()
        import torch

        from assets.tweets import bpe, packing

        assert tweet_corpus.data_version is not None, "the corpus was loaded from the store"
        content = tweet_tokenizer.only.read_bytes()
        tokenizer = bpe.load(content)
        frame = tweet_corpus.frame
        progress = Progress(context.log, "tokenizing", len(frame), "tweets")
        tensors: dict[str, Any] = {}
        counted: dict[str, dict[str, Any]] = {}
        whole, done = True, 0
        for number, split in enumerate(SPLITS):
            texts = frame["text"][frame["split"] == number].tolist()
            ids, lengths = bpe.encode_all(tokenizer, texts, partial(_further, progress, done))
            done += len(texts)
            packed = packing.pack(ids, lengths, config.row_length, config.seed + number)
            marks = int((packed.rows[:, 1:] == bpe.END).sum()) - packed.filled
            whole &= marks == len(texts) and int(packed.used.sum()) == len(ids) + len(texts)
            counted[split] = {
                "tweets": len(texts),
                "tokens": int(packed.used.sum()),
                "rows": len(packed.rows),
                "cut": packed.cut,
                "waste": round(packed.waste, 6),
            }
            tensors[f"{split}_rows"] = torch.from_numpy(packed.rows)
            tensors[f"{split}_used"] = torch.from_numpy(packed.used)
        if not counted["train"]["rows"] or not counted["validation"]["rows"]:
            raise BadInput("The corpus has no tweets for training or validation.", "Make tweet_corpus of more tweets.")
    about: dict[str, Any] = {
        "corpus": tweet_corpus.data_version,
        "vocabulary": tokenizer.get_vocab_size(),
        "row_length": config.row_length,
        "end": bpe.END,
        "splits": counted,
    }
    tensors["about"] = _bytes(json.dumps(about, sort_keys=True).encode())
    tensors["tokenizer"] = _bytes(content)
    train = counted["train"]
    table = "\n".join(f"| {s} | " + " | ".join(f"{v:,}" for v in each.values()) + " |" for s, each in counted.items())
    return dg.MaterializeResult(
        value=Tensors(tensors),
        metadata={
            "tokens": sum(each["tokens"] for each in counted.values()),
            "tokens_train": train["tokens"],
            "rows_train": train["rows"],
            "waste": train["waste"],
            "tweets_cut": sum(each["cut"] for each in counted.values()),
            "tokens_per_tweet": round(train["tokens"] / train["tweets"], 3),
            "vocabulary": about["vocabulary"],
            "row_length": config.row_length,
            "corpus": tweet_corpus.data_version,
            "splits": dg.MetadataValue.md(f"| split | {' | '.join(train)} |\n|---|{'---|' * len(train)}\n{table}"),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="nothing_lost", passed=whole, description="Marks and used places against tweets and tokens."
            ),
            dg.AssetCheckResult(
                check_name="little_waste",
                passed=train["waste"] < _MOST_WASTE or train["rows"] < _SMALL,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{train['waste']:.2%} of {train['rows'] * config.row_length:,} places.",
            ),
        ],
    )


def _further(progress: Progress, before: int, more: int) -> None:
    progress.update(before + more)


def _bytes(content: bytes) -> Any:
    import torch

    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
