"""The one IO manager, and the store as a resource.

Belongs here: what Dagster's contexts mean for the store: which materialization an input is read from, when an input is
a dict, the data version, and what is reported. Does not belong here: files (`artifacts.py` and below).
"""

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution.context.output import RUN_ID_PLACEHOLDER
from pydantic import Field, PrivateAttr

from resources.errors import MissingArtifact, UnsupportedValue, failures
from resources.store import records, report
from resources.store.artifacts import Artifacts, Expected, describe, make_again
from resources.store.library import Library
from resources.store.placement import ChangedInPlace, of_process
from resources.store.records import Record
from resources.store.scratch import Scratch, delete_opened, open_scratch
from resources.store.types import Checkpoint, Table, Tensors

_ALLOW_MISSING = "allow_missing_partitions"  # the same input metadata as in Dagster's own IO managers
_DEVICE = "device"  # input metadata: another device than the run's, `dg.AssetIn(metadata={"device": "cpu"})`


class ArtifactStore(dg.ConfigurableResource):
    """The artifact store and the library. Assets ask it for scratch and publish with it.

    Values themselves go by the IO manager.
    """

    root: str = Field(description="Folder of the store. Everything in it is written by the platform alone.")
    library: str = Field(description="Folder of what people open.")
    device: str = Field(
        default="auto", description="Where tensors are lent: `auto`, `cpu`, `cuda`, `cuda:<n>` or `mps`."
    )
    resident_gb: float | None = Field(
        default=None,
        description="At most so many GB (10^9 bytes) of tensors are kept on each device; without it, what is free, in"
        " host memory a quarter.",
    )
    check_residents: bool = Field(
        default=False, description="Debugging: compare the content of lent tensors, and fail who wrote into them."
    )

    _artifacts: Artifacts | None = PrivateAttr(default=None)

    @property
    def artifacts(self) -> Artifacts:
        """The store itself, opened on first use. Raises: OSError if its folder can't be made."""
        if self._artifacts is None:
            limit = None if self.resident_gb is None else int(self.resident_gb * 1e9)
            self._artifacts = Artifacts(Path(self.root), of_process(limit, self.check_residents), self.device)
        return self._artifacts

    def scratch(self, asset: str, partition: str | None, digest: str) -> Scratch:
        """The home of partial results of one value. `digest` covers inputs, config and code version.

        It is deleted by the IO manager once that asset's value for that partition is stored.
        """
        return open_scratch(self.artifacts.root, asset, partition, digest)

    def publish(self, folder: str, files: Mapping[str, Path]) -> dict[str, str]:
        """Make `<library>/<folder>/` hold these files, each replaced as a whole; return name -> BLAKE3 digest (hex).

        Names published there earlier and no longer given are removed; other people's files are not touched.
        Raises: DiskFull; OSError if the library can't be written.
        """
        return Library(Path(self.library).absolute(), self.artifacts.tmp).publish(folder, files)

    def missing(self, manifest: str, thorough: bool = False) -> list[str]:
        """Names of a manifest's files that are gone or damaged; `[manifest]` if it is so itself; empty if all is well.

        `manifest` is relative to the root, as in the metadata. `thorough` reads even what was verified before.
        """
        return self.artifacts.missing(manifest, thorough)

    def evict(self) -> int:
        """Give back what is kept on all devices and not in use; bytes given back. For who needs the memory himself.

        Call it before a large allocation, or when the device ran out of memory (outside the `except` block).
        """
        return self.artifacts.placement.evict()

    def load(self, record: Record, device: str | None = None) -> object:
        """The value of a materialization found by `records.latest`. Raises what loading an input raises."""
        return _load(self.artifacts, record, device)[0]


class ArtifactIOManager(dg.ConfigurableIOManager):
    """Stores what assets return and loads what they take; the store's types decide how."""

    store: dg.ResourceDependency[ArtifactStore]

    # Of the step that loaded last: steps of a run come one after another, each in the process of its run.
    _of: tuple[str, str, int] = PrivateAttr(default=("", "", 0))
    _loads: list[report.Line] = PrivateAttr(default_factory=list)
    _lent: list[tuple[str, Tensors]] = PrivateAttr(default_factory=list)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        with failures():
            self._store(context, obj)

    def load_input(self, context: dg.InputContext) -> Any:
        with failures():
            return self._load(context)

    def _store(self, context: dg.OutputContext, value: object) -> None:
        step = _step(context)
        self._begin(step, context.log)
        self._check_lent(context.log)
        if value is None:
            context.log.debug("Nothing was returned, so nothing is stored.")
            return
        if not context.has_asset_key:
            raise UnsupportedValue(
                f'Output "{context.name}" of an op that is no asset can\'t be stored.',
                "Make it an asset, or give the op dg.mem_io_manager.",
            )
        asset, partition = context.asset_key.to_user_string(), _one_partition(context)
        attempt = step.previous_attempt_count if step else 0
        transfer = self.store.artifacts.store(value, asset, partition, context.run_id, attempt)
        version = transfer.manifest.data_version
        if step:
            set_data_version(step, context.asset_key, version)
        line = report.stored(transfer)
        context.log.info(str(line))
        lines = [*self._loads, line] if step else [line]
        if warnings := [f"{line.name}: {line.warning}" for line in lines if line.warning]:
            context.add_output_metadata({report.WARNINGS: dg.MetadataValue.md("\n".join(f"- {w}" for w in warnings))})
        context.add_output_metadata(
            {
                records.MANIFEST: dg.MetadataValue.text(transfer.path),
                records.DIGEST: dg.MetadataValue.text(version),
                records.BYTES: transfer.manifest.bytes,
                records.FILES: report.files_table(transfer.manifest),
                records.STORE_IO: report.io_table(lines),
            }
        )
        delete_opened(self.store.artifacts.root, asset, partition)

    def _load(self, context: dg.InputContext) -> Any:
        if not context.has_asset_key:
            raise UnsupportedValue(
                f'Input "{context.name}" is no asset: the store keeps only assets.',
                "Make what it comes from an asset, or give that op dg.mem_io_manager.",
            )
        if not context.has_asset_partitions:
            return self._load_one(context, self._record(context, None))
        keys = list(context.asset_partition_keys)
        if not _wants_dict(context, keys):
            if len(keys) != 1:
                raise UnsupportedValue(
                    f"{_input(context)}it covers {len(keys)} partitions of {context.asset_key.to_user_string()}.",
                    "Annotate it as a dict from partition key to value, such as `dict[str, File]`.",
                )
            return self._load_one(context, self._record(context, keys[0]))
        found = {key: self._find(context, key) for key in keys}
        gone = [key for key, record in found.items() if record is None]
        if gone and context.definition_metadata.get(_ALLOW_MISSING):
            context.log.warning(f"{_input(context)}left out {_some(gone)}, not materialized.")
        elif gone:
            asset = context.asset_key.to_user_string()
            raise MissingArtifact(
                f"{_input(context)}{asset} was never materialized for {_some(gone)}.",
                f"Materialize {asset} for {'this partition' if len(gone) == 1 else 'these partitions'} first.",
            )
        return {key: self._load_one(context, record) for key, record in found.items() if record is not None}

    def _load_one(self, context: dg.InputContext, record: Record) -> Any:
        step = _step(context)
        self._begin(step, context.log)
        value, line = _load(self.store.artifacts, record, context.definition_metadata.get(_DEVICE))
        context.log.info(str(line))
        if line.warning:
            context.log.warning(f"{line.name}: {line.warning}")
        if step:
            self._loads.append(line)
            lent = value.weights if isinstance(value, Checkpoint) else value
            if isinstance(lent, Tensors):
                self._lent.append((line.name, lent))
        return value

    def _begin(self, step: Any, log: Any) -> None:
        """Be done with the step before, if this is another one.

        What it was lent must not take room from this one, nor go unchecked because it failed or returned nothing.
        """
        if step and self._of != _step_key(step):
            self._check_lent(log)
            self._of = _step_key(step)
            self._loads, self._lent = [], []

    def _check_lent(self, log: Any) -> None:
        """Warn of, or when debugging refuse, a step that wrote into tensors it was lent. What it wrote into goes."""
        for name, tensors in list(self._lent):
            changed = self.store.artifacts.placement.changed(tensors)
            if not changed:
                continue
            self._lent = [(other, kept) for other, kept in self._lent if kept is not tensors]
            message = f'Step "{self._of[1]}" wrote into tensors of {name} that it was lent: {_some(changed)}.'
            remedy = "Clone a tensor before writing to it."
            if self.store.check_residents:
                raise ChangedInPlace(message, remedy)
            log.warning(f"{message} They are read again for others. {remedy}")

    def _record(self, context: dg.InputContext, partition: str | None) -> Record:
        record = self._find(context, partition)
        if record is None:
            asset = context.asset_key.to_user_string()
            raise MissingArtifact(
                f"{_input(context)}{describe(asset, partition)} was never materialized.",
                f'Materialize "{asset}"{"" if partition is None else " for this partition"} first.',
            )
        return record

    def _find(self, context: dg.InputContext, partition: str | None) -> Record | None:
        """The materialization to read: of the run that Dagster says made the upstream output, else the latest.

        In a re-execution that run is the parent, or its parent. A partition this run does not make itself (another
        one of the same asset, or all of them in a fan-in) is read from its latest materialization.
        """
        run_id = _upstream_run(context)
        own = partition is None or (context.has_partition_key and partition == context.partition_key)
        if run_id is not None and own:
            return records.of_run(context.instance, context.asset_key, partition, run_id)
        return records.latest(context.instance, context.asset_key, partition)


def set_data_version(step: Any, asset_key: dg.AssetKey, version: str) -> None:
    """Make `version` the data version of what this step materializes.

    An internal of Dagster (hence `dagster<1.14`): output metadata can't set it, and without it Dagster would take a
    hash of code version and inputs, which leaves downstream fresh when the content has changed.
    """
    step.set_data_version(asset_key, dg.DataVersion(version))


def _load(artifacts: Artifacts, record: Record, device: str | None) -> tuple[object, report.Line]:
    if record.manifest is None:
        raise MissingArtifact(
            f"{describe(record.asset, record.partition, record.run or None)}: this materialization has no stored value"
            " (it returned nothing, is external, or was reported by hand).",
            f"If it never has one, depend on it with `deps=`. If not: {make_again(record.asset, record.partition)}",
        )
    expected = Expected(record.asset, record.partition, record.run, record.digest)
    value, transfer = artifacts.load(record.manifest, expected, device)
    if isinstance(value, Tensors | Checkpoint | Table):
        value.data_version = record.digest
    return value, report.loaded(transfer)


def _one_partition(context: dg.OutputContext) -> str | None:
    if not context.has_asset_partitions:
        return None
    keys = list(context.asset_partition_keys)
    if len(keys) != 1:
        raise UnsupportedValue(
            f"{context.asset_key.to_user_string()} returned one value for {len(keys)} partitions.",
            "Run one partition at a time: leave out BackfillPolicy.single_run().",
        )
    return keys[0]


def _wants_dict(context: dg.InputContext, keys: list[str]) -> bool:
    """An input annotated as a dict always gets one; without an annotation, one that isn't just this run's partition."""
    try:
        annotation = context.dagster_type.typing_type
    except dg.DagsterInvariantViolationError:
        annotation = Any
    if annotation is Any:
        return not (context.has_partition_key and keys == [context.partition_key])
    return (typing.get_origin(annotation) or annotation) in (dict, Mapping)


def _upstream_run(context: dg.InputContext) -> str | None:
    """The run Dagster says the input comes from; None if it is not part of this run or its ancestors."""
    try:
        run_id = context.upstream_output.run_id if context.upstream_output else None
    except dg.DagsterInvariantViolationError:  # a step picked by hand, whose upstream no ancestor has made
        return None
    return None if run_id == RUN_ID_PLACEHOLDER else run_id


def _step(context: dg.InputContext | dg.OutputContext) -> Any:
    """Dagster's step context; None in contexts built by hand and in `load_asset_value`."""
    try:
        return context.step_context
    except dg.DagsterInvariantViolationError:
        return None


def _step_key(step: Any) -> tuple[str, str, int]:
    return (step.run_id, step.step.key, step.previous_attempt_count) if step else ("", "", 0)


def _input(context: dg.InputContext) -> str:
    return f'Input "{context.name}": ' if context.has_input_name else ""


def _some(keys: list[str]) -> str:
    shown = ", ".join(f'"{key}"' for key in keys[:10])
    return shown if len(keys) <= 10 else f"{shown} and {len(keys) - 10} more"
