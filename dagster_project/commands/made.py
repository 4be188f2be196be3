"""What is there already of a product, so that no command makes anything twice.

Belongs here: is an artifact whole, made by the code and of the inputs that there are now; are the files of an inbox
taken in. Does not belong here: which artifacts a product has (`train.py`, `train_sentiment.py`, `train_tweets.py`),
making them (`stages.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project.commands import out_of_date
from dagster_project.commands.stages import Stages
from resources.errors import BadInput, ScriptoriumError
from resources.intake.batch_events import Batches
from resources.intake.batches import found_in, take_in
from resources.intake.intake import RUN_KEY_TAG
from resources.store import records
from resources.store.records import Record


class Made:
    """The artifacts of one instance, as they are now."""

    def __init__(self, stages: Stages) -> None:
        self._defs, self._instance, self._store = stages.defs, stages.instance, stages.store
        self._graph = self._defs.resolve_asset_graph()

    def whole(self, asset: str, partition: str | None) -> Record | None:
        """The latest materialization, if all of it is in the store and no check has refused it."""
        key = dg.AssetKey(asset)
        record = records.latest(self._instance, key, partition)
        if record is None or record.manifest is None or self._store.missing(record.manifest):
            return None
        return None if key in records.refused(self._instance, record.run) else record

    def current(self, asset: str, partition: str | None) -> Record | None:
        """The latest materialization, if it is whole and was made by the code that there is now."""
        record = self.whole(asset, partition)
        if record is None:
            return None
        said = (record.event.tags or {}).get("dagster/code_version") if record.event is not None else None
        return record if said in (None, self._graph.get(dg.AssetKey(asset)).code_version) else None

    def fresh(self, asset: str, partition: str | None) -> Record | None:
        """The latest materialization, if it is current and was made of its inputs as they are now."""
        record = self.current(asset, partition)
        stale = record is not None and out_of_date.is_stale(self._defs, self._instance, dg.AssetKey(asset), partition)
        return None if stale else record

    def lacking(self, assets: Sequence[str], partition: str | None) -> list[str]:
        """Of `assets`, named in the order in which they are made, those that are not fresh and all that follow."""
        lacking: list[str] = []
        for asset in assets:
            parents = {parent.to_user_string() for parent in self._graph.get(dg.AssetKey(asset)).parent_keys}
            if parents & set(lacking) or self.fresh(asset, partition) is None:
                lacking.append(asset)
        return lacking

    def is_of(self, record: Record, source: str | None) -> bool:
        """Whether a dataset was made of `source` (None: whatever), a path or a word, and nothing there has changed."""
        if source is None:
            return True
        if source != source_of(record) and [source] != self.config_of(record).get("paths"):
            return False
        place = Path(source)
        if not place.is_absolute():
            return True  # a word, whose data never changes
        inside = place.rglob("*") if place.is_dir() else []
        return max(path.stat().st_mtime for path in (place, *inside)) < record.timestamp

    def config_of(self, record: Record) -> Mapping[str, Any]:
        """What was configured for the asset in the run that made it."""
        run = self._instance.get_run_by_id(record.run)
        said: Any = {} if run is None else run.run_config
        found: Mapping[str, Any] = said.get("ops", {}).get(record.asset, {}).get("config", {})
        return found

    def loaded(self, record: Record) -> object:
        """The value; None if it can't be read any more."""
        try:
            return self._store.load(record, "cpu")
        except ScriptoriumError:
            return None


def dropped(instance: dg.DagsterInstance, batches: Batches, folder: Path, others: Sequence[Path]) -> str | None:
    """Take in the files of an inbox without `others`, folders in it; the run key if no run has succeeded with them."""
    if not found_in(str(folder), batches, others):
        return None
    taken = take_in(instance, batches, [folder], exclude=others)
    if taken.event is not None:
        instance.report_runless_asset_event(taken.event)
    made = dg.RunsFilter(
        job_name=batches.job, tags={RUN_KEY_TAG: taken.run_key}, statuses=[dg.DagsterRunStatus.SUCCESS]
    )
    return None if instance.get_runs_count(made) else taken.run_key


def source_of(record: Record) -> str:
    """What a dataset was made of, as its asset tells it."""
    said = None if record.event is None else record.event.metadata.get("source")
    return "unknown data" if said is None else str(said.value)


def given_path(data: str) -> str:
    """The absolute path of what `--data` names. Raises: BadInput if nothing is there."""
    path = Path(data).expanduser()
    if not path.exists():
        raise BadInput(f"There is no file or folder {data!r}.", "Check --data.")
    return str(path.resolve())
