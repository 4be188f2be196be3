"""`scriptorium infer`: files given by name become a batch, and a product's checkpoint predicts.

Belongs here: from the paths a person gave to the predictions' path. Does not belong here: executing (`stages.py`),
what a batch is (`resources/intake/batches.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from dagster_project import training
from dagster_project.commands import daemon, running, terminal
from dagster_project.commands.stages import Stages
from dagster_project.instance import bury_orphans, opened
from dagster_project.settings import Settings
from resources.errors import BadInput
from resources.intake.batches import take_in
from resources.intake.intake import RUN_KEY_TAG
from resources.store import records
from resources.training import choosing


def infer(
    settings: Settings,
    name: str,
    paths: Sequence[str],
    *,
    checkpoint: str,
    verbose: bool,
    interrupts: running.Interrupts,
) -> bool:
    """Predict for all files among `paths` (files and folders) at once; print the folder of the predictions.

    `checkpoint` is `champion`, a preset, or the beginning of a checkpoint's digest. False if the run failed.
    Raises: BadInput for a product, checkpoint or path that is none.
    """
    product = training.find(name)
    given = [Path(path).expanduser() for path in paths]
    for path in given:
        if not path.exists():
            raise BadInput(f"There is no file or folder {str(path)!r}.", "Check the path.")
    with opened(settings) as instance, terminal.Board(terminal.console()) as board:
        bury_orphans(instance, daemon_alive=daemon.alive(instance))
        choosing.find(instance, product.name, checkpoint)  # said before any file is read
        taken = take_in(instance, product.questions, given)
        assert taken.key is not None, "questions come in partitions"
        instance.add_dynamic_partitions(product.batches_def.name or "", [taken.key])
        if taken.event is not None:
            instance.report_runless_asset_event(taken.event)
        stages = Stages(settings, instance, board, interrupts, verbose=verbose)
        asset = f"{product.name}_predictions"
        config = {asset: {"checkpoint": checkpoint}}
        if not stages.run(f"{product.name}_predict", taken.key, config=config, tags={RUN_KEY_TAG: taken.run_key}):
            return False
        if board.live is not None:
            board.live.refresh()
        record = records.latest(instance, dg.AssetKey(asset), taken.key)
        assert record is not None, "the run that made it has just succeeded"
        assert record.event is not None, "its latest materialization is an event"
        folder = Path(str(record.event.metadata["folder"].value))
        for file in sorted(folder.glob("[!.]*")):
            print(file, flush=True)  # noqa: T201  # the command's result
    return True
