"""What follows from a new dataset: trainings, and when these have ended, the job that looks at all of them.

Belongs here: in which order the jobs of a product follow one another. Does not belong here: which presets are trained
(`dagster_project/training.py`), what the jobs do (`jobs/`), what makes a dataset (the products' inboxes).
"""

import time
from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from resources.errors import ScriptoriumError

CHAIN_TAG = "scriptorium/chain"
"""On a run of a dataset: train and choose when it is made. Its value says who asked; it is handed on."""
DATASET_RUN_TAG = "scriptorium/dataset_run"
"""On what follows: the run of the dataset that it follows from."""

Training = tuple[str, str]
"""The job that trains a preset, by name, and the preset, its partition."""

_WATCHED = 50
"""So many of the newest runs of a dataset are looked at; more are never under way at once."""
_RETRY_TOLD_S = 60.0
"""Dagster says within moments of a failure whether it will retry; so long it is given."""


def chain_sensor(
    product: str,
    trainings: Callable[[], Sequence[Training]],
    *,
    dataset: dg.JobDefinition,
    train: Sequence[dg.JobDefinition],
    last: dg.JobDefinition,
) -> dg.SensorDefinition:
    """The sensor `<product>_chain`: after a dataset made with the tag `scriptorium/chain`, the rest.

    It asks for each of `trainings()`, and once all of these have ended and one of them has succeeded, for `last`: the
    choice of the champion, or a comparison. `dataset` is the job that makes the dataset, `train` are those that train.

    It is no run status sensor: those are told of one status, each event once. This one compares the runs there are with
    those there should be, so it sees trainings that fail, and nothing is lost or done twice if the daemon dies.
    """
    made_by, ends_with = dataset.name, last.name

    @dg.sensor(
        name=f"{product}_chain",
        jobs=[*train, last],
        minimum_interval_seconds=3,  # the daemon looks every 5 s; an interval of 5 would make that 5 and 10 by turns
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Follows runs of {made_by} that the inbox started: asks for {' and '.join(job.name for job in train)} for"
            f" the baselines and the default presets, and for {ends_with} when they have ended."
        ),
    )
    def follow(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        done = int(context.cursor or 0)
        newest = context.instance.get_run_records(dg.RunsFilter(job_name=made_by), limit=_WATCHED)
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
                    wanted, ended, word = _next(run, trainings(), ends_with, followers.get(run.run_id, []), retries)
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
    run: dg.DagsterRun, trainings: Sequence[Training], last: str, followers: Sequence[dg.RunRecord], retries: bool
) -> tuple[list[dg.RunRequest], bool, str]:
    """What is to be asked for after this run of a dataset, whether it is all done, and what to say."""

    def request(job: str, partition: str | None = None) -> dg.RunRequest:
        tags = {CHAIN_TAG: run.tags[CHAIN_TAG], DATASET_RUN_TAG: run.run_id}
        run_key = "/".join([run.run_id, job, *([] if partition is None else [partition])])
        return dg.RunRequest(run_key=run_key, job_name=job, partition_key=partition, tags=tags)

    # A run counts once it is past NOT_STARTED: the daemon may have died with it, and asked again, launches that very
    # run.
    began = [record for record in followers if record.dagster_run.status != dg.DagsterRunStatus.NOT_STARTED]
    if any(record.dagster_run.job_name == last for record in began):
        return [], True, f"{run.run_id}: {last} was asked for"
    newest: dict[Training, dg.RunRecord] = {}
    for record in began:
        newest.setdefault((record.dagster_run.job_name, record.dagster_run.tags.get("dagster/partition", "")), record)
    missing = [training for training in trainings if training not in newest]
    if missing:
        return [request(job, preset) for job, preset in missing], False, ""
    under_way = [training for training in trainings if not _ended(newest[training], retries)]
    if under_way:
        return [], False, f"{run.run_id}: {', '.join(preset for _, preset in under_way)} under way"
    if not any(newest[training].dagster_run.status == dg.DagsterRunStatus.SUCCESS for training in trainings):
        return [], True, f"{run.run_id}: no training succeeded"
    return [request(last)], False, ""


def _ended(record: dg.RunRecord, retries: bool) -> bool:
    """Whether this run is the last of its preset: finished, and not to be retried."""
    run = record.dagster_run
    if not run.is_finished:
        return False
    retry = run.tags.get("dagster/will_retry")
    if run.status == dg.DagsterRunStatus.FAILURE and retry is None and retries:
        return time.time() - record.update_timestamp.timestamp() > _RETRY_TOLD_S
    return retry != "true"
