"""`scriptorium train sentiment`: files of labelled tweets, each from its dataset to its champion.

Belongs here: which files are meant, and what of each has to be made. Does not belong here: running it (`stages.py`),
what is there already (`made.py`), what such a file is (`resources/intake/sentiment.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.sentiment.checkpoint import SentimentCheckpointConfig
from assets.sentiment.dataset import SentimentDatasetConfig
from dagster_project import training
from dagster_project.commands import daemon, running, terminal
from dagster_project.commands.fields import config_of
from dagster_project.commands.made import Made, given_path
from dagster_project.commands.stages import Stages
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from jobs.sentiment import CHAIN
from resources.errors import BadInput, ScriptoriumError
from resources.intake.files import Claim, scan
from resources.intake.intake import RUN_KEY_TAG, Intake
from resources.intake.sentiment import sentiment_intake
from resources.store.types import Checkpoint
from resources.training.documents import Card

ASSETS = tuple(f"sentiment_{part}" for part in CHAIN)
_CONFIGS: Mapping[str, type[dg.Config]] = {
    "sentiment_dataset": SentimentDatasetConfig,
    "sentiment_checkpoint": SentimentCheckpointConfig,
}
"""What `--set` can set, by asset; where both have a field of a name, the first is meant."""


def train(
    settings: Settings,
    preset: str | None,
    *,
    data: str | None,
    fields: Sequence[str],
    again: bool,
    verbose: bool,
    interrupts: running.Interrupts,
) -> bool:
    """Bring every file to its champion; True if all went well. Prints where the verdicts lie.

    `data` is a file, or a folder with files; without it all files in the inbox are meant. `fields` are `NAME=VALUE`, of
    the configuration of dataset or checkpoint. What is there and up to date is kept, unless it was made with another
    `preset`, or `fields` are given, or `again`.
    Raises: BadInput for a preset, field or path that is none.
    """
    known = training.SENTIMENT.read()
    if preset is not None and preset not in known:
        raise BadInput(f"sentiment has no preset {preset!r}.", f"There are: {', '.join(known)}.")
    config = config_of(fields, _CONFIGS)
    if preset is not None:
        config.setdefault(ASSETS[0], {})["preset"] = preset
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        with sentiment_intake(instance, settings.homes.intake) as intake:
            paths = _paths(settings, intake, data)
            stages = Stages(settings, instance, board, interrupts, verbose=verbose)
            desk = _Desk(stages, intake, settings, config, anew=again or bool(fields))
            results = [desk.serve(path) for path in paths]
    return all(results)


def _paths(settings: Settings, intake: Intake, data: str | None) -> list[Path]:
    """The files that are meant. Raises: BadInput if there are none."""
    homes = settings.homes
    place = homes.sentiment_inbox if data is None else Path(given_path(data))
    if not place.is_dir():
        return [place]
    found = scan(str(place), intake.product.names, [homes.sentiment_questions])
    paths = sorted(Path(file.path) for file in found if file.claim is Claim.YES and file.problem is None)
    if not paths:
        raise BadInput(
            f"There are no files of labelled tweets in {place}.", "Put a CSV file there, or name one with --data."
        )
    return paths


class _Desk:
    """Serves one file after the other."""

    def __init__(
        self,
        stages: Stages,
        intake: Intake,
        settings: Settings,
        config: Mapping[str, Mapping[str, Any]],
        *,
        anew: bool,
    ) -> None:
        self._stages, self._intake, self._settings = stages, intake, settings
        self._config, self._anew, self._made = config, anew, Made(stages)

    def serve(self, path: Path) -> bool:
        """Take in one file and bring it to its champion. False if that failed, which is said."""
        try:
            key = self._taken(path)
        except ScriptoriumError as error:
            self._stages.board.row(path.name).finish(False, str(error))
            return False
        wanted = self._wanted(key)
        if wanted:
            config = {asset: said for asset, said in self._config.items() if asset in wanted}
            keys = [dg.AssetKey(asset) for asset in wanted]
            if not self._stages.run("sentiment", key, keys, config=config, tags={RUN_KEY_TAG: key}):
                return False
        else:
            self._stages.board.line(f"{key}: is trained and evaluated; --again makes it anew")
        verdict = self._settings.homes.library / "sentiment" / key / "champion" / "champion.md"
        self._stages.board.line(verdict.read_text(encoding="utf-8").split("\n\n")[1])  # the sentence under the title
        self._stages.result(verdict)
        return True

    def _taken(self, path: Path) -> str:
        """The file's key, with all that Dagster has to know of it."""
        taken = self._intake.take_in(path)
        self._stages.instance.add_dynamic_partitions(self._intake.product.partitions, [taken.key])
        if taken.event is not None:
            self._stages.instance.report_runless_asset_event(taken.event)
        return taken.key

    def _wanted(self, key: str) -> list[str]:
        """What is to be made of a file."""
        if self._anew:
            return list(ASSETS)
        lacking = self._made.lacking(ASSETS, key)
        dataset = self._made.fresh(ASSETS[0], key)
        if dataset is None or dataset.event is None:
            return list(ASSETS)
        preset = str(dataset.event.metadata["preset"].value)
        if self._config.get(ASSETS[0], {}).get("preset", preset) != preset or not self._is_of(key, preset):
            return list(ASSETS)
        return lacking

    def _is_of(self, key: str, preset: str) -> bool:
        """Whether the checkpoint, if there is one, was trained as the preset says now."""
        record, recipe = self._made.fresh("sentiment_checkpoint", key), training.SENTIMENT.read().get(preset)
        if record is None or recipe is None:
            return recipe is not None
        value = self._made.loaded(record)
        if not isinstance(value, Checkpoint) or not isinstance(value.card, Card):
            return False
        return bool(value.card.overrides) or recipe.made(value.card.recipe)
