"""The inboxes of the product `sentiment`, and what keeps its pooled champion up to date.

Belongs here: which folder feeds which job. Does not belong here: how a folder is watched (`inbox.py`, `batches.py`),
what a file of labelled tweets is (`resources/intake/sentiment.py`), what the jobs do (`jobs/sentiment.py`).
"""

from pathlib import Path

import dagster as dg

from resources.intake.batch_events import Batches
from resources.intake.files import TEXTS
from resources.intake.sentiment import sentiment
from sensors.batches import batch_sensor, first_made
from sensors.inbox import Limits, inbox_sensor

SENTIMENT_QUESTIONS = Batches(
    "sentiment_questions", "sentiment_batches", TEXTS, "sentiment_predict", "sentiment_predictions"
)

_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def sentiment_inbox(
    *, folder: Path, questions: Path, ledger: Path, failures: Path, limits: Limits
) -> dg.SensorDefinition:
    """The sensor `sentiment_files`: one run of the job `sentiment` for each new file in `folder`.

    `questions` is the folder in it that `sentiment_questions_inbox` watches.
    """
    return inbox_sensor(
        name="sentiment_files",
        product=sentiment(),
        folder=folder,
        exclude=[questions],
        ledger=ledger,
        failures=failures,
        limits=limits,
        description=(
            f"Takes in the CSV files of labelled tweets dropped into {folder}, subfolders included, once they have"
            " stopped changing: one partition and one run each, from the dataset to the champion, however often and"
            " under whatever names the same bytes appear. What can't be taken in is observed on the asset"
            " `sentiment_file`, with the reason, and written to library/failures.log."
        ),
        job_name="sentiment",
    )


def sentiment_questions_inbox(*, folder: Path, failures: Path, limits: Limits) -> dg.SensorDefinition:
    """The sensor `sentiment_questions`: a run of `sentiment_predict` for the files dropped together into `folder`."""
    return batch_sensor(
        name="sentiment_questions",
        batches=SENTIMENT_QUESTIONS,
        folder=folder,
        limits=limits,
        failures=failures,
        ready=first_made("sentiment_champion", by="scriptorium train sentiment --data FILE"),
        description=(
            f"Takes the CSV and text files dropped into {folder} together, once they have stopped changing, as one"
            " batch: one partition and one run that says of every text whether it is negative or positive. They wait"
            " until there is a champion."
        ),
    )


def sentiment_pool_sensor(job: dg.JobDefinition, *, enabled: bool) -> dg.SensorDefinition:
    """The sensor `sentiment_pool`: after new champions of files, one run of `job`, which chooses among all of them.

    `enabled`: whether the owner names a validation file for that. Champions that follow each other closely, as after a
    backfill, are judged together: nothing is asked for while a run of the job is under way. It is no asset sensor,
    which would count an event as seen in a tick that asks for nothing.
    """

    @dg.sensor(
        name="sentiment_pool",
        job=job,
        minimum_interval_seconds=3,  # the daemon looks every 5 s; an interval of 5 would make that 5 and 10 by turns
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "After a new `sentiment_champion`: compares the champions of all files on the one validation file that"
            " SCRIPTORIUM_SENTIMENT_VALIDATION names, if it names one."
        ),
    )
    def pool(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not enabled:
            return dg.SkipReason("SCRIPTORIUM_SENTIMENT_VALIDATION names no validation file.")
        newest = context.instance.fetch_materializations(dg.AssetKey("sentiment_champion"), limit=1).records
        if not newest:
            return dg.SkipReason("No file has a champion yet.")
        champion = newest[0].storage_id
        if champion <= int(context.cursor or 0):
            return dg.SkipReason("No file has a new champion.")
        if context.instance.get_runs_count(dg.RunsFilter(job_name=job.name, statuses=list(_UNDER_WAY))):
            return dg.SkipReason(f"{job.name} is under way; champions that are newer are looked at when it has ended.")
        context.update_cursor(str(champion))
        # Asked again after a crash, Dagster finds the run by its key.
        return dg.RunRequest(run_key=f"champion-{champion}")

    return pool
