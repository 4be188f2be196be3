"""`scriptorium train tweets`: a corpus, an LSTM, a transformer as it is and fine-tuned, and their comparison.

Belongs here: what of them has to be made. Does not belong here: running it (`stages.py`), what is there already
(`made.py`), which presets are the defaults (`dagster_project/training.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.tweets.comparison import ComparisonConfig
from assets.tweets.corpus import TweetCorpusConfig
from dagster_project import training
from dagster_project.commands import daemon, running, terminal
from dagster_project.commands.fields import Config, config_of
from dagster_project.commands.made import Made, dropped, given_path, source_of
from dagster_project.commands.stages import Stages
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from resources.errors import BadInput
from resources.intake.intake import RUN_KEY_TAG
from resources.store import records
from resources.store.types import Checkpoint
from resources.training.documents import Card
from sensors.tweets import TWEET_FILES

CORPUS = ("tweet_corpus", "tweet_tokenizer", "tweet_tokens")
COMPARISON = "completion_comparison"
_KINDS = {
    "tweets_train_lstm": ("lstm_checkpoint", training.LSTM),
    "tweets_train_transformer": ("transformer_checkpoint", training.TRANSFORMER),
}
"""By job: the checkpoint it makes, and its presets."""
_CONFIGS: Mapping[str, type[dg.Config]] = {CORPUS[0]: TweetCorpusConfig, COMPARISON: ComparisonConfig}
"""What `--set` can set, by asset; where both have a field of a name, the first is meant."""


def train(
    settings: Settings,
    chosen: Sequence[str],
    *,
    data: str | None,
    fields: Sequence[str],
    again: bool,
    verbose: bool,
    interrupts: running.Interrupts,
) -> bool:
    """Bring tweets to a comparison of three systems; True if all went well. Prints where the report lies.

    `chosen` are presets to train instead of the machine's defaults, `data` is a file or folder of tweets, `fields` are
    `NAME=VALUE` of the configuration of corpus or comparison, which are then made anew. What else is there and up to
    date is kept; with `again` what learns from the corpus is trained anew.
    Raises: BadInput for a preset, field or path that is none, and where there are no tweets at all.
    """
    config = config_of(fields, _CONFIGS)
    trainings = training.tweet_trainings(settings, chosen)
    source = None if data is None else given_path(data)
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        stages = Stages(settings, instance, board, interrupts, verbose=verbose)
        work = _Work(stages, settings, config)
        if not work.corpus(source):
            return False
        trained = [work.checkpoint(job, preset, again=again) for job, preset in trainings]
        if not any(trained) or not work.comparison():
            return False
        for page in sorted((settings.homes.library / "tweets" / "comparison").glob("[!.]*")):
            if page.suffix in (".md", ".pdf"):
                stages.result(page)
    return all(trained)


class _Work:
    """The assets of one instance: are they up to date, and if not, made."""

    def __init__(self, stages: Stages, settings: Settings, config: Config) -> None:
        self._stages, self._settings, self._config = stages, settings, config
        self._instance, self._made = stages.instance, Made(stages)

    def corpus(self, source: str | None) -> bool:
        """Corpus, tokenizer and tokens; made again if the inbox holds other files, or for another `source`."""
        corpus, board = CORPUS[0], self._stages.board
        run_key = None if source is not None else self._drop()
        lacking = self._made.lacking(CORPUS, None)
        record = None if corpus in lacking or run_key else self._made.fresh(corpus, None)
        said = self._config.get(corpus, {})
        if record is None or said or not self._made.is_of(record, source):
            config = {corpus: {**said, **({} if source is None else {"paths": [source]})}}
            tags = {RUN_KEY_TAG: run_key} if run_key else None
            return self._stages.run(TWEET_FILES.job, None, config=config, tags=tags)
        board.line(f"{corpus}: is there, made of {source_of(record)}")
        return not lacking or self._stages.run(TWEET_FILES.job, None, [dg.AssetKey(asset) for asset in lacking])

    def _drop(self) -> str | None:
        """Take in the files of the inbox; their run key if no corpus was made of them yet."""
        homes = self._settings.homes
        run_key = dropped(self._instance, TWEET_FILES, homes.tweets_inbox, [homes.tweet_prompts])
        if run_key is None and records.latest(self._instance, dg.AssetKey(CORPUS[0]), None) is None:
            raise BadInput(
                "There are no tweets to learn from.",
                f"Put CSV or text files into {homes.tweets_inbox}, or name one with --data.",
            )
        return run_key

    def checkpoint(self, job: str, preset: str, *, again: bool) -> bool:
        """The preset's checkpoint, made unless it is up to date; False if that failed."""
        asset, kind = _KINDS[job]
        recipe = kind.read()[preset]
        if not (again and not recipe.is_baseline) and self._is_made(asset, preset, recipe.made):
            self._stages.board.line(f"{preset}: is there")
            return True
        return self._stages.run(job, preset, said=f"{asset} of {preset}")

    def _is_made(self, asset: str, preset: str, made_by: Callable[[Mapping[str, Any]], bool]) -> bool:
        """Whether the checkpoint fits the corpus, the preset and the code as they are now."""
        record = self._made.fresh(asset, preset)
        value = None if record is None else self._made.loaded(record)
        if not isinstance(value, Checkpoint) or not isinstance(value.card, Card):
            return False
        return not value.card.overrides and made_by(value.card.recipe)

    def comparison(self) -> bool:
        """The comparison of all that learned from this corpus, made unless nothing has changed since."""
        folder = self._settings.homes.library / "tweets" / "comparison"
        said = self._config.get(COMPARISON, {})
        if not said and self._made.fresh(COMPARISON, None) is not None and any(folder.glob("*.md")):
            self._stages.board.line(f"{COMPARISON}: is there")
            return True
        return self._stages.run("tweets_compare", None, config={COMPARISON: said} if said else None)
