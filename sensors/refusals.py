"""How a refused file is told: as an observation of its external asset, in the tick's log, and in failures.log; once.

Belongs here: the report, and finding out whether it was made. Does not belong here: why a file is refused (`inbox.py`).
"""

import os
from pathlib import Path

import dagster as dg

from resources import failures_log
from resources.intake.identity import shown, shown_name, slug
from resources.intake.intake import Intake
from resources.intake.ledger import Refusal


def due_reports(
    context: dg.SensorEvaluationContext, intake: Intake, failures: Path, at_most: int
) -> list[dg.AssetObservation]:
    """Reports that Dagster's event log does not have yet, at most so many; those it has are closed in the ledger."""
    reports: list[dg.AssetObservation] = []
    for refusal in intake.ledger.open_refusals():
        if len(reports) >= at_most:
            break
        key = refusal_key(refusal)
        seen = context.instance.fetch_observations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(intake.product.asset), asset_partitions=[key]), limit=1
        ).records
        if seen:
            intake.ledger.close_refusal(refusal.path)
            continue
        if not refusal.logged and log(context, failures, refusal):
            intake.ledger.refusal_logged(refusal.path)
        reports.append(observation(intake.product.asset, key, refusal))
    return reports


def refusal_key(refusal: Refusal) -> str:
    """A key for the observation that is no partition. The same file, unchanged, always gets the same one."""
    from blake3 import blake3

    told = repr((os.fsencode(refusal.path), tuple(refusal.stat), refusal.problem)).encode()
    return f"refused~{slug(Path(refusal.path).name)}~{blake3(told).hexdigest()[:16]}"


def log(context: dg.SensorEvaluationContext, failures: Path, refusal: Refusal) -> bool:
    """Say it in the tick's log and in failures.log; False if that can't be written."""
    name = shown_name(refusal.path)
    context.log.warning(f'refused "{name}": {shown(refusal.problem, 600)} {shown(refusal.remedy, 600)}')
    try:
        failures_log.append(failures, failures_log.line("refused", name, refusal.problem, refusal.remedy))
    except OSError as error:
        context.log.error(f"{failures} can't be written: {error}")
        return False
    return True


def observation(asset: str, key: str, refusal: Refusal) -> dg.AssetObservation:
    """The event of the external asset that tells of a refusal; `key` is from `refusal_key`."""
    name = shown_name(refusal.path)
    return dg.AssetObservation(
        asset_key=asset,
        partition=key,
        description=f'"{name}" was refused: {shown(refusal.problem, 600)}',
        metadata={
            "file": dg.MetadataValue.text(name),
            "path": dg.MetadataValue.text(shown(refusal.path, 4096)),
            "problem": dg.MetadataValue.text(shown(refusal.problem, 600)),
            "what_to_do": dg.MetadataValue.text(shown(refusal.remedy, 600)),
            "size": refusal.stat.size,
        },
    )
