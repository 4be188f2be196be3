"""The alarm: one readable line for each failed run, and a post to a webhook if one is set.

Belongs here: what is said about a failure, and to whom. Does not belong here: how a failure comes about.
"""

import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import IO

import dagster as dg

from resources import failures_log
from resources.intake.identity import shown

WEBHOOK_TIMEOUT_S = 5.0
_WILL_RETRY_TAG = "dagster/will_retry"


@dataclass(frozen=True)
class Failure:
    """What went wrong in a run, in words. The webhook gets these fields as JSON, and the line as `text`."""

    name: str
    key: str | None
    job: str
    step: str | None
    error: str
    problem: str
    what_to_do: str
    will_retry: bool
    run_id: str
    time: str


def failures_sensor(
    *, log: Path, webhook_url: str | None = None, webhook_token: str | None = None
) -> dg.SensorDefinition:
    """The sensor `failures`, RUNNING by default: writes to `log`, and posts to the webhook if there is one.

    It watches the runs of every code location, so that runs of the command line, which have none, are seen too.
    """

    @dg.run_failure_sensor(
        name="failures",
        minimum_interval_seconds=3,
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=True,
        description=f"Writes one line to {log} for each failed run"
        + (", and posts it to the webhook." if webhook_url else "."),
    )
    def failures(context: dg.RunFailureSensorContext) -> None:
        failure = describe(context)
        text = _line(failure)
        context.log.warning(text)
        try:
            failures_log.append(log, text)
        except OSError as error:
            context.log.error(f"{log} can't be written: {error}")
        if webhook_url:
            _post(webhook_url, webhook_token, {**asdict(failure), "text": text}, context.log)

    return failures


def describe(context: dg.RunFailureSensorContext) -> Failure:
    """Read the failure from the run's events; of several failed steps, the first."""
    run = context.dagster_run
    key = run.tags.get("dagster/partition")
    step, error, problem, remedy = None, "", "", ""
    for event in context.get_step_failure_events():
        step = event.step_key
        data = event.step_failure_data
        user = data.user_failure_data
        told = {} if user is None else {name: str(value.value) for name, value in user.metadata.items()}
        info = data.error
        while info is not None and info.cause is not None and info.cls_name == "DagsterExecutionStepExecutionError":
            info = info.cause
        error = told.get("error") or (info.cls_name if info and info.cls_name else "")
        if error == "DagsterAssetCheckFailedError":
            error, problem, remedy = "", _failed_checks(context), "See the check on the asset's page in the Dagster UI."
            break
        problem = told.get("problem") or (user.description if user and user.description else "")
        problem = _first_line(problem or (info.message if info else ""))
        problem = re.sub(rf"^[\w.]*\b{re.escape(error)}: ", "", problem) if error else problem
        remedy = told.get("what_to_do", "")
        break
    if step is None:
        problem = _first_line(context.failure_event.message or "The run failed before any step did.")
    # Asked again: the tag is set just after the failure event that woke this sensor.
    tags = _tags(context.instance, run)
    return Failure(
        name=_name(context.instance, key) or run.job_name,
        key=key,
        job=run.job_name,
        step=step,
        error=error,
        problem=problem,
        what_to_do=remedy or "See the run's log in the Dagster UI; then re-execute it from the failed step.",
        will_retry=tags.get(_WILL_RETRY_TAG) == "true",
        run_id=run.run_id,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _failed_checks(context: dg.RunFailureSensorContext) -> str:
    """The blocking checks that the run failed, in words."""
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    said = []
    for record in records:
        event = record.event_log_entry.dagster_event
        check = event.asset_check_evaluation_data if event is not None else None
        if check is not None and check.blocking and not check.passed:
            said.append(f"check {check.check_name}: {check.description}" if check.description else check.check_name)
    return "; ".join(said) or "A blocking check failed."


def _tags(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Mapping[str, str]:
    now = instance.get_run_by_id(run.run_id)
    return run.tags if now is None else now.tags


def _name(instance: dg.DagsterInstance, key: str | None) -> str | None:
    """The recording's real name, from the event that took it in."""
    if key is None:
        return None
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey("recording"), asset_partitions=[key]), limit=1
    ).records
    if not records or records[0].asset_materialization is None:
        return key
    name = records[0].asset_materialization.metadata.get("name")
    return key if name is None else str(name.value)


def _first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _line(failure: Failure) -> str:
    where = f"({failure.key})" if failure.key and failure.key != failure.name else ""
    at = f"at {failure.step}" if failure.step else f"in job {failure.job}"
    error = f"{failure.error}: " if failure.error else ""
    return failures_log.line(
        "failed, will be retried" if failure.will_retry else "failed",
        failure.name,
        f"{error}{failure.problem}",
        failure.what_to_do,
        where=f"{where} {at}".strip(),
        run_id=failure.run_id,
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> None:
        return None


def _post(url: str, token: str | None, body: Mapping[str, object], log: logging.Logger) -> None:
    """Post JSON; whatever goes wrong is logged and nothing more."""
    headers = {"Content-Type": "application/json", "User-Agent": "scriptorium"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        request = urllib.request.Request(url, json.dumps(body).encode("ascii"), headers, method="POST")
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=WEBHOOK_TIMEOUT_S):
            pass
    except urllib.error.HTTPError as error:
        log.error(f"the webhook answered {error.code} {shown(str(error.reason))}; the line in the log stands")
    except Exception as error:
        log.error(f"the webhook could not be reached ({shown(str(error))}); the line in the log stands")
