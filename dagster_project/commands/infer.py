"""`scriptorium infer`: files given by name become a batch, and a product's checkpoint predicts.

Belongs here: from the paths a person gave to the predictions' path. Does not belong here: executing (`stages.py`),
what a batch is (`resources/intake/batches.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from blake3 import blake3

from dagster_project import training
from dagster_project.commands import daemon, running, terminal
from dagster_project.commands.stages import Stages
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from resources.errors import BadInput
from resources.intake.batches import take_in
from resources.intake.intake import RUN_KEY_TAG
from resources.store import records


def infer(
    settings: Settings,
    name: str,
    paths: Sequence[str],
    *,
    prompts: Sequence[str],
    checkpoint: str | None,
    verbose: bool,
    interrupts: running.Interrupts,
) -> bool:
    """Predict for all files among `paths` (files and folders) at once; print the folder of the predictions.

    `prompts` are texts to be completed, for tweets. `checkpoint` is `champion`, a preset, or the beginning of a
    checkpoint's digest; None is the best there is. False if the run failed.
    Raises: BadInput for a product, checkpoint or path that is none.
    """
    asked = training.asked(name)
    given = [Path(path).expanduser() for path in paths]
    for path in given:
        if not path.exists():
            raise BadInput(f"There is no file or folder {str(path)!r}.", "Check the path.")
    if prompts and name != training.LSTM.product:
        raise BadInput("--prompt is for tweets.", "Name files.")
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        asked.find(instance, checkpoint or asked.best)  # said before any file is read
        if prompts:
            given.append(_written(settings.homes.tweet_prompts, prompts))
        taken = take_in(instance, asked.questions, given)
        assert taken.key is not None, "questions come in partitions"
        instance.add_dynamic_partitions(asked.questions.partitions or "", [taken.key])
        if taken.event is not None:
            instance.report_runless_asset_event(taken.event)
        stages = Stages(settings, instance, board, interrupts, verbose=verbose)
        asset = asked.questions.finished
        assert asset is not None, "what is asked has an answer"
        config = {asset: {"checkpoint": checkpoint or asked.best}}
        if not stages.run(asked.questions.job, taken.key, config=config, tags={RUN_KEY_TAG: taken.run_key}):
            return False
        record = records.latest(instance, dg.AssetKey(asset), taken.key)
        assert record is not None, "the run that made it has just succeeded"
        assert record.event is not None, "its latest materialization is an event"
        folder = Path(str(record.event.metadata["folder"].value))
        for file in sorted(folder.glob("[!.]*")):
            stages.result(file)
    return True


def _written(folder: Path, prompts: Sequence[str]) -> Path:
    """The prompts as a file of the inbox, one a line: what is there can be looked at and made again later."""
    text = "".join(f"{' '.join(prompt.split())}\n" for prompt in prompts)
    path = folder / f"prompt-{blake3(text.encode()).hexdigest()[:8]}.txt"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
    return path
