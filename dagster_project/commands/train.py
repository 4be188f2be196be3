"""`scriptorium train`: a product's dataset, checkpoints, evaluations and champion, as far as they are not there yet.

Belongs here: what of them has to be made. Does not belong here: running it (`stages.py`), what a preset is
(`dagster_project/training.py`), products that are brought up otherwise (`train_sentiment.py`, `train_tweets.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from dagster_project import training
from dagster_project.commands import daemon, running, terminal
from dagster_project.commands.made import Made, dropped, given_path, source_of
from dagster_project.commands.stages import Stages
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from dagster_project.training import TrainingProduct
from resources.errors import BadInput
from resources.intake.intake import RUN_KEY_TAG
from resources.store import records
from resources.store.records import Record
from resources.store.types import Checkpoint
from resources.training.documents import Card, Evaluation


def train(
    settings: Settings,
    name: str,
    chosen: Sequence[str],
    *,
    data: str | None,
    fields: Sequence[str],
    again: bool,
    verbose: bool,
    interrupts: running.Interrupts,
) -> bool:
    """Bring the product `name` to a champion, or to a comparison; True if all went well. Prints where the verdict lies.

    `chosen` are presets to train instead of the machine's default: one, for tweets one of each kind. `data` says where
    the dataset comes from; `fields` are `NAME=VALUE` of the configuration, for sentiment and tweets. What is there and
    up to date is kept, unless `again`. Raises: BadInput for a product, preset, path or field that is none.
    """
    if fields and name not in (training.SENTIMENT.product, training.LSTM.product):
        raise BadInput("--set is for sentiment and tweets.", "Elsewhere, change fields in the Launchpad of the UI.")
    if name == training.LSTM.product:
        from dagster_project.commands import train_tweets

        return train_tweets.train(
            settings, chosen, data=data, fields=fields, again=again, verbose=verbose, interrupts=interrupts
        )
    if len(chosen) > 1:
        raise BadInput(f"{len(chosen)} presets are more than one.", "Give --preset once; backfill trains several.")
    preset = chosen[0] if chosen else None
    if name == training.SENTIMENT.product:
        from dagster_project.commands import train_sentiment

        return train_sentiment.train(
            settings, preset, data=data, fields=fields, again=again, verbose=verbose, interrupts=interrupts
        )
    return _to_champion(settings, name, preset, data=data, again=again, verbose=verbose, interrupts=interrupts)


def _to_champion(
    settings: Settings,
    name: str,
    preset: str | None,
    *,
    data: str | None,
    again: bool,
    verbose: bool,
    interrupts: running.Interrupts,
) -> bool:
    """The product's dataset, its baselines, `preset` (None: the machine's default) and the champion."""
    product = training.find(name)
    sweep = product.presets.sweep(settings, preset)
    source = None if data is None else data if data in product.sources else given_path(data)
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        stages = Stages(settings, instance, board, interrupts, verbose=verbose)
        work = _Work(stages, product, settings)
        if not work.dataset(source):
            return False
        trained = [work.checkpoint(key, again=again and key == sweep[-1]) for key in sweep]
        if not any(trained):
            return False
        if not work.champion():
            return False
        verdict = settings.homes.library / product.name / "champion" / "champion.md"
        board.line(verdict.read_text(encoding="utf-8").split("\n\n")[1])  # the sentence under the title
        stages.result(verdict)
    return all(trained)


class _Work:
    """One product's assets on one instance: are they up to date, and if not, made."""

    def __init__(self, stages: Stages, product: TrainingProduct, settings: Settings) -> None:
        self._stages, self._product, self._settings = stages, product, settings
        self._instance, self._made = stages.instance, Made(stages)

    def dataset(self, source: str | None) -> bool:
        """The dataset; made again if its inbox holds other files, or if it is not of `source` as that is now."""
        name = f"{self._product.name}_dataset"
        run_key = None if source is not None else self._drop()
        record = self._made.current(name, None)
        if record is not None and run_key is None and self._made.is_of(record, source):
            self._stages.board.line(f"{name}: is there, made of {source_of(record)}")
            return True
        config = {name: self._product.source(source)} if source is not None else None
        tags = {RUN_KEY_TAG: run_key} if run_key else None
        return self._stages.run(f"{self._product.name}_prepare", None, config=config, tags=tags)

    def _drop(self) -> str | None:
        """Take in the files of the product's inbox of data, if it has one; their run key if they are not yet made."""
        batches = self._product.data
        if batches is None:
            return None
        folder = self._settings.homes.inbox / self._product.name
        return dropped(self._instance, batches, folder, [folder / "predict"])

    def checkpoint(self, preset: str, *, again: bool) -> bool:
        """The preset's checkpoint and evaluation, made unless they are up to date; False if that failed."""
        checkpoint = None if again else self._checkpoint(preset)
        if checkpoint is not None and self._is_evaluated(preset, checkpoint):
            self._stages.board.line(f"{preset}: is trained and evaluated")
            return True
        evaluation = [dg.AssetKey(f"{self._product.name}_evaluation")]
        wanted = evaluation if checkpoint is not None else None  # else both
        return self._stages.run(f"{self._product.name}_train", preset, wanted)

    def _checkpoint(self, preset: str) -> Record | None:
        """The preset's checkpoint if it fits the dataset, the preset and the code as they are now."""
        data = records.latest(self._instance, dg.AssetKey(f"{self._product.name}_dataset"), None)
        made = self._made.current(f"{self._product.name}_checkpoint", preset)
        if data is None or made is None:
            return None
        value = self._made.loaded(made)
        if not isinstance(value, Checkpoint) or not isinstance(value.card, Card):
            return None
        card, recipe = value.card, self._product.presets.read()[preset]
        fits = card.data_version == data.digest and not card.overrides and recipe.made(card.recipe)
        return made if fits else None

    def _is_evaluated(self, preset: str, checkpoint: Record) -> bool:
        record = self._made.current(f"{self._product.name}_evaluation", preset)
        value = None if record is None else self._made.loaded(record)
        return isinstance(value, Evaluation) and value.checkpoint == checkpoint.digest

    def champion(self) -> bool:
        """The champion; made again by every command, since it costs seconds and says why it is the champion."""
        return self._stages.run(f"{self._product.name}_promote", None)
