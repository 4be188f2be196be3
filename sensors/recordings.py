"""The recordings' inbox."""

from pathlib import Path

import dagster as dg

from resources.intake.recordings import recordings
from sensors.inbox import Limits, inbox_sensor


def recordings_inbox(
    *,
    folder: Path,
    ledger: Path,
    failures: Path,
    disk: Path,
    settle_seconds: float = 10.0,
    min_free_gb: float = 1.0,
    hash_budget_mb: int = 2048,
    min_recording_s: float = 1.0,
    new_per_tick: int = 50,
    job_name: str = "recordings",
) -> dg.SensorDefinition:
    """The sensor `recordings`: one run of the job `recordings` for each new recording in `folder`."""
    return inbox_sensor(
        name="recordings",
        product=recordings(min_recording_s, folder),
        folder=folder,
        ledger=ledger,
        failures=failures,
        limits=Limits(
            disk=disk,
            settle_seconds=settle_seconds,
            min_free_bytes=int(min_free_gb * 1e9),
            bytes_per_tick=hash_budget_mb * 10**6,
            new_per_tick=new_per_tick,
        ),
        description=(
            f"Takes in the recordings dropped into {folder}, subfolders included, once they have stopped changing: one"
            " partition and one run each, however often and under whatever names the same bytes appear. A folder named"
            " as a language, such as `ru`, says which one is spoken in what lies in it. What can't be taken in is"
            " observed on the asset `recording`, with the reason, and written to library/failures.log."
        ),
        job_name=job_name,
    )
