"""The vocabulary of tweets, learned from the train split.

Belongs here: the asset and what is recorded of it. Does not belong here: learning and using it (`bpe.py`).
"""

import json

import dagster as dg
from pydantic import Field

from assets.tweets.source import GROUP, OWNERS
from resources.errors import failures
from resources.store.types import File, Table
from resources.training.trainer import needed

TOKENIZER = "tokenizer.json"
_MEASURED = 2_000  # validation tweets whose tokens are counted
_SHOWN = 5


class TweetTokenizerConfig(dg.Config):
    """The size of the vocabulary."""

    vocabulary: int = Field(
        default=8192,
        ge=257,
        le=32_767,
        description="Tokens, of which 256 are the bytes and one is the end of a tweet. A larger vocabulary means fewer"
        " tokens a tweet, and more work for each.",
    )


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    group_name=GROUP,
    kinds={"python"},
    owners=OWNERS,
    code_version="1",
    dagster_type=File,
    description=(
        "`tokenizer.json`: byte-level byte-pair encoding learned from the train split alone. Any text can be written in"
        " it; id 0 is the mark after each tweet."
    ),
)
def tweet_tokenizer(
    context: dg.AssetExecutionContext, config: TweetTokenizerConfig, tweet_corpus: Table
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.tweets import bpe

        frame = tweet_corpus.frame
        train = frame["text"][frame["split"] == 0]
        context.log.info(f"learning a vocabulary of {config.vocabulary:,} from {len(train):,} tweets")
        content = bpe.learn(iter(train), config.vocabulary, len(train))
        tokenizer = bpe.load(content)
        some = frame["text"][frame["split"] == 1].head(_MEASURED).tolist()
        encoded = bpe.encode(tokenizer, some)
    tokens = sum(map(len, encoded))
    merges = json.loads(content)["model"]["merges"]
    return dg.MaterializeResult(
        value=File(TOKENIZER, content),
        metadata={
            "vocabulary": tokenizer.get_vocab_size(),
            "learned_from": len(train),
            "tokens_per_tweet": round(tokens / len(some), 3),
            "characters_per_token": round(sum(map(len, some)) / max(1, tokens), 3),
            "first_merges": " ".join("".join(pair) for pair in merges[:40]),
            "preview": dg.MetadataValue.md(
                "\n".join(
                    f"- `{'|'.join(tokenizer.decode([i]) for i in ids).replace('`', chr(39))}`"
                    for ids in encoded[:_SHOWN]
                )
            ),
        },
    )
