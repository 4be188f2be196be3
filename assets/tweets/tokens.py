"""The corpus as rows of token ids, ready to lie on a device.

Belongs here: the asset and what is recorded of it. Does not belong here: the rows themselves (`token_rows.py`).
"""

from typing import Any

import dagster as dg
from pydantic import Field

from assets.tweets.source import GROUP, OWNERS
from resources.errors import failures
from resources.progress import Progress
from resources.store.types import File, Table, Tensors
from resources.training.trainer import needed

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
        from assets.tweets import token_rows

        assert tweet_corpus.data_version is not None, "the corpus was loaded from the store"
        frame = tweet_corpus.frame
        texts = frame["text"].tolist()
        tensors = token_rows.make(
            texts,
            frame["split"].to_numpy(),
            tweet_tokenizer.only.read_bytes(),
            corpus=tweet_corpus.data_version,
            row_length=config.row_length,
            seed=config.seed,
            progress=Progress(context.log, "tokenizing", len(texts), "tweets").update,
        )
        about = token_rows.about_of(tensors)
        counted: dict[str, dict[str, Any]] = about["splits"]
        lost = [
            split
            for split, said in counted.items()
            if token_rows.held(tensors, split) != (said["tweets"], said["tokens"])
        ]
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
                check_name="nothing_lost",
                passed=not lost and sum(each["tweets"] for each in counted.values()) == len(texts),
                description=f"{len(texts):,} tweets; splits whose rows hold other ones: {', '.join(lost) or 'none'}.",
            ),
            dg.AssetCheckResult(
                check_name="little_waste",
                passed=train["waste"] < _MOST_WASTE or train["rows"] < _SMALL,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{train['waste']:.2%} of {train['rows'] * config.row_length:,} places.",
            ),
        ],
    )
