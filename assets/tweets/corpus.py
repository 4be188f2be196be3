"""All tweets there are to learn from, cleaned, each once, split by tweet.

Belongs here: the asset, where its files come from, and what is recorded of it. Does not belong here: reading and
splitting (`reading.py`).
"""

from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field

from assets.tweets.source import GROUP, OWNERS, tweet_files
from resources.errors import BadInput, failures
from resources.intake import batches
from resources.progress import Progress
from resources.store.types import Table
from resources.training.plots import as_markdown
from resources.training.trainer import needed

_SHOWN = 12  # tweets and files on the event's page
_SORTS = (".csv", ".tsv", ".txt")
_SPLITS = ("train", "validation", "test")


class TweetCorpusConfig(dg.Config):
    """Where the tweets come from, and how many of them are taken."""

    source: Literal["auto", "inbox"] = Field(
        default="auto",
        description="`inbox`: the files of the inbox's folder `tweets/`; `auto`: those in `paths` if any are named"
        " there, else the inbox.",
    )
    paths: list[str] = Field(default_factory=list, description="CSV and text files, or folders of them.")
    text_column: str | None = Field(
        default=None, description="The column of texts, by its name or its number from 1; empty: it is recognised."
    )
    encoding: str = Field(default="auto", description="Of all files, such as `latin-1`; `auto`: recognised for each.")
    expected_rows: int | None = Field(
        default=None, ge=1, description="Rows of all files together; another number is an error."
    )
    limit: int | None = Field(
        default=None, ge=1, description="Take so many tweets, a sample across all files drawn with `seed`; empty: all."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the splits, the sample and the order.")


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[tweet_files],
    group_name=GROUP,
    kinds={"python", "pandas"},
    owners=OWNERS,
    code_version="1",
    dagster_type=Table,
    description=(
        "Tweets, one a row: `text`, with mentions as `@user` and links as `http`, and `split`, 0 train, 1 validation,"
        " 2 test. A tweet, or a retweet of it, is there once, and in the same split whatever else the files hold."
    ),
    check_specs=[
        dg.AssetCheckSpec(
            "each_tweet_once",
            asset="tweet_corpus",
            blocking=True,
            description="No two rows are the same tweet, or one a retweet of the other: none is in two splits.",
        )
    ],
)
def tweet_corpus(context: dg.AssetExecutionContext, config: TweetCorpusConfig) -> dg.MaterializeResult:
    with failures():
        needed()
        import numpy as np
        import pandas

        from assets.tweets import reading
        from assets.tweets.corpus_pictures import words_of_tweets
        from resources.text.tweets import identity

        paths, origin = _paths(context, config)
        files = _read(context, config, paths)
        rows = sum(len(file.texts) for file in files)
        if config.expected_rows is not None and rows != config.expected_rows:
            raise BadInput(
                f"The files have {rows:,} rows; there should be {config.expected_rows:,}.",
                "Get whole copies of the files, or correct `expected_rows`.",
            )
        counts = "\n".join(f"| {file.name} | {len(file.texts):,} | {file.form} |" for file in files[:_SHOWN])
        progress = Progress(context.log, "cleaning tweets", rows, "tweets")
        texts = (text for file in files for text in file.texts)
        corpus = reading.corpus_of(texts, seed=config.seed, limit=config.limit, progress=progress.update)
        frame = pandas.DataFrame({"text": corpus.texts, "split": corpus.splits})
        of_split = np.bincount(corpus.splits, minlength=len(_SPLITS)).tolist()
        once = len({identity(text) for text in corpus.texts})
        characters = sum(map(len, corpus.texts))
        picture = as_markdown(words_of_tweets(corpus.texts), "words of tweets")
    return dg.MaterializeResult(
        value=Table(frame),
        metadata={
            "tweets": len(frame),
            **{f"tweets_{name}": count for name, count in zip(_SPLITS, of_split, strict=True)},
            "rows_read": corpus.read,
            "empty": corpus.empty,
            "duplicates": corpus.duplicates,
            "left_out": corpus.left_out,
            "characters": characters,
            "source": origin,
            "rows_per_file": dg.MetadataValue.md(f"| file | rows | form |\n|---|---|---|\n{counts}"),
            "preview": dg.MetadataValue.md(_preview(corpus.texts)),
            "lengths": dg.MetadataValue.md(picture),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="each_tweet_once",
                passed=once == len(frame),
                description=f"{once:,} different tweets in {len(frame):,} rows.",
            )
        ],
    )


def _paths(context: dg.AssetExecutionContext, config: TweetCorpusConfig) -> tuple[list[tuple[str, Path]], str]:
    """Names and places of the files, and where that is."""
    if config.paths and config.source != "inbox":
        found = [file for path in config.paths for file in _under(Path(path).expanduser())]
        return [(path.name, path) for path in found], f"{len(found)} files given by name"
    whole = batches.files_of(context, tweet_files.key.to_user_string(), None)
    if not whole:
        raise BadInput("The inbox has no files of tweets.", "Put some into inbox/tweets, or name them in `paths`.")
    return [(file.name, file.path) for file in whole], f"{len(whole)} files of the inbox"


def _under(path: Path) -> list[Path]:
    """The file, or the CSV and text files of a folder."""
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in _SORTS) if path.is_dir() else [path]
    if not found or not found[0].is_file():
        raise BadInput(f'There is no file of tweets at "{path}".', "Check `paths`.")
    return found


def _read(context: dg.AssetExecutionContext, config: TweetCorpusConfig, paths: list[tuple[str, Path]]) -> list[Any]:
    """The texts of each file; one file at a time is in memory as bytes."""
    from assets.tweets import reading

    expected = config.expected_rows if len(paths) == 1 else None
    files = []
    for name, path in paths:
        file = reading.texts_of(
            name, path.read_bytes(), column=config.text_column, encoding=config.encoding, expected_rows=expected
        )
        context.log.info(f"{name}: {len(file.texts):,} rows, {file.form}")
        files.append(file)
    return files


def _preview(texts: list[str]) -> str:
    """The first tweets, as text: whatever they hold, it is no markup."""
    shown = (text.replace("`", "'") for text in texts[:_SHOWN])
    return "\n".join(f"- `{text}`" for text in shown)
