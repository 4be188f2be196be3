"""What starts the work of the training products: their inboxes, and what follows from a new dataset.

Belongs here: which folder feeds which job, and in which order the jobs of a product follow one another. Does not belong
here: how a folder is watched (`batches.py`), and what the jobs do (`jobs/training.py`).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from resources.errors import ScriptoriumError
from resources.intake.batch_events import Batches
from resources.intake.files import Names
from sensors.batches import always, batch_sensor
from sensors.inbox import Limits

CHAIN_TAG = "scriptorium/chain"
"""On a run of a dataset: train and choose when it is made. Its value says who asked; it is handed on."""
DATASET_RUN_TAG = "scriptorium/dataset_run"
"""On what follows: the run of the dataset that it follows from."""

IMAGES = Names(
    taken=frozenset({
        ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif",
        ".tiff", ".webp",
    }),
    never=frozenset(),
)  # fmt: skip
"""What Pillow reads without plugins, and people have. Files of other names are left alone."""
TABLES = Names(taken=frozenset({".csv"}), never=frozenset())

CIFAR10_IMAGES = Batches("cifar10_images", "cifar10_batches", IMAGES, "cifar10_predict", "cifar10_predictions")
HOUSING_FILES = Batches("housing_files", None, TABLES, "housing_prepare", "housing_dataset")
HOUSING_QUESTIONS = Batches("housing_questions", "housing_batches", TABLES, "housing_predict", "housing_predictions")

_WATCHED = 50
"""So many of the newest runs of a dataset are looked at; more are never under way at once."""
_RETRY_TOLD_S = 60.0
"""Dagster says within moments of a failure whether it will retry; so long it is given."""


def cifar10_inbox(*, folder: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `cifar10_images`: one run of `cifar10_predict` for the images dropped together into `folder`."""
    return batch_sensor(
        name="cifar10_images",
        batches=CIFAR10_IMAGES,
        folder=folder,
        limits=limits,
        failures=failures,
        ready=_champion_of("cifar10"),
        description=(
            f"Takes the images dropped into {folder}, subfolders included, once all of them have stopped changing, as"
            " one batch: one partition and one run, at most 5,000 images. Images that were taken before make no new"
            " batch, whatever they are called. They wait until there is a champion."
        ),
    )


def housing_inbox(*, folder: Path, questions: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `housing_files`: a run of `housing_prepare` when the contents of `folder` have changed.

    `questions` is the folder in it that `housing_questions_inbox` watches.
    """
    return batch_sensor(
        name="housing_files",
        batches=HOUSING_FILES,
        folder=folder,
        exclude=[questions],
        limits=limits,
        failures=failures,
        ready=always,
        tags={CHAIN_TAG: "inbox"},
        description=(
            f"Takes all CSV files in {folder} together, once they have stopped changing, and makes the dataset of them"
            " anew whenever one was added, removed or edited; training and the choice of the champion follow. Names"
            " do not matter, nor does their order."
        ),
    )


def housing_questions_inbox(*, folder: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `housing_questions`: one run of `housing_predict` for the CSV files dropped together into `folder`."""
    return batch_sensor(
        name="housing_questions",
        batches=HOUSING_QUESTIONS,
        folder=folder,
        limits=limits,
        failures=failures,
        ready=_champion_of("housing"),
        description=(
            f"Takes the CSV files dropped into {folder} together, once they have stopped changing, as one batch: one"
            " partition and one run that estimates the prices. They wait until there is a champion."
        ),
    )


def _champion_of(product: str) -> Callable[[dg.DagsterInstance], str | None]:
    """A sentence while the product has no champion yet."""
    champion = dg.AssetKey(f"{product}_champion")

    def ready(instance: dg.DagsterInstance) -> str | None:
        if instance.fetch_materializations(champion, limit=1).records:
            return None
        return f"There is no {champion.to_user_string()} yet: run `scriptorium train {product}`. The files wait"

    return ready


def chain_sensor(
    product: str, presets: Callable[[], Sequence[str]], jobs: Sequence[dg.JobDefinition]
) -> dg.SensorDefinition:
    """The sensor `<product>_chain`: after a dataset made with the tag `scriptorium/chain`, the rest.

    It asks for the training of each of `presets()`, and once all of these have ended and one of them has succeeded, for
    the choice of the champion. `jobs` are the product's three: the one that makes the dataset, the one that trains a
    preset, the one that chooses.

    It is no run status sensor: those are told of one status, each event once. This one compares the runs there are with
    those there should be, so it sees trainings that fail, and nothing is lost or done twice if the daemon dies.
    """
    dataset, train, champion = (job.name for job in jobs)

    @dg.sensor(
        name=f"{product}_chain",
        jobs=jobs[1:],
        minimum_interval_seconds=3,  # the daemon looks every 5 s; an interval of 5 would make that 5 and 10 by turns
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Follows runs of {dataset} that the inbox started: asks for {train} for the baselines and the default"
            f" preset, and for {champion} when they have ended."
        ),
    )
    def follow(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        done = int(context.cursor or 0)
        newest = context.instance.get_run_records(dg.RunsFilter(job_name=dataset), limit=_WATCHED)
        tagged = [record for record in newest if CHAIN_TAG in record.dagster_run.tags and record.storage_id > done]
        made = [r.dagster_run for r in tagged if r.dagster_run.status == dg.DagsterRunStatus.SUCCESS]
        followers = _followers(context.instance, [run.run_id for run in made])
        retries = context.instance.run_retries_enabled
        requests: list[dg.RunRequest] = []
        said: list[str] = []
        contiguous = True
        for record in sorted(tagged, key=lambda record: record.storage_id):
            run = record.dagster_run
            ended = run.is_finished
            if run.status == dg.DagsterRunStatus.SUCCESS:
                try:
                    wanted, ended, word = _next(run, presets(), train, champion, followers.get(run.run_id, []), retries)
                except ScriptoriumError as error:
                    return dg.SkipReason(str(error))
                requests += wanted
                said.append(word)
            contiguous = contiguous and ended
            done = record.storage_id if contiguous else done  # what is finished is never looked at again
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason("; ".join(said) or "Nothing to follow."),
            cursor=str(done),
        )

    return follow


def _followers(instance: dg.DagsterInstance, run_ids: Sequence[str]) -> Mapping[str, list[dg.RunRecord]]:
    """The runs that follow from each of these runs of a dataset, newest first."""
    found: dict[str, list[dg.RunRecord]] = {}
    if run_ids:
        for record in instance.get_run_records(dg.RunsFilter(tags={DATASET_RUN_TAG: list(run_ids)})):
            found.setdefault(record.dagster_run.tags[DATASET_RUN_TAG], []).append(record)
    return found


def _next(
    run: dg.DagsterRun,
    presets: Sequence[str],
    train: str,
    champion: str,
    followers: Sequence[dg.RunRecord],
    retries: bool,
) -> tuple[list[dg.RunRequest], bool, str]:
    """What is to be asked for after this run of a dataset, whether it is all done, and what to say."""

    def request(job: str, what: str, partition: str | None = None) -> dg.RunRequest:
        tags = {CHAIN_TAG: run.tags[CHAIN_TAG], DATASET_RUN_TAG: run.run_id}
        return dg.RunRequest(run_key=f"{run.run_id}/{what}", job_name=job, partition_key=partition, tags=tags)

    # A run counts once it is past NOT_STARTED: the daemon may have died with it, and asked again, launches that very
    # run.
    began = [record for record in followers if record.dagster_run.status != dg.DagsterRunStatus.NOT_STARTED]
    if any(record.dagster_run.job_name == champion for record in began):
        return [], True, f"{run.run_id}: {champion} was asked for"
    newest: dict[Any, dg.RunRecord] = {}
    for record in began:
        if record.dagster_run.job_name == train:
            newest.setdefault(record.dagster_run.tags.get("dagster/partition"), record)
    missing = [preset for preset in presets if preset not in newest]
    if missing:
        return [request(train, preset, preset) for preset in missing], False, ""
    under_way = [preset for preset in presets if not _ended(newest[preset], retries)]
    if under_way:
        return [], False, f"{run.run_id}: {', '.join(under_way)} under way"
    if not any(newest[preset].dagster_run.status == dg.DagsterRunStatus.SUCCESS for preset in presets):
        return [], True, f"{run.run_id}: no training succeeded"
    return [request(champion, "champion")], False, ""


def _ended(record: dg.RunRecord, retries: bool) -> bool:
    """Whether this run is the last of its preset: finished, and not to be retried."""
    run = record.dagster_run
    if not run.is_finished:
        return False
    retry = run.tags.get("dagster/will_retry")
    if run.status == dg.DagsterRunStatus.FAILURE and retry is None and retries:
        return time.time() - record.update_timestamp.timestamp() > _RETRY_TOLD_S
    return retry != "true"
