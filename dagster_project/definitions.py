"""The only place where things are put together: assets, jobs, sensors and the resources they ask for.

Belongs here: which implementation serves which name, under which settings. Does not belong here: any logic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.recordings.audio import audio
from assets.recordings.notes import notes
from assets.recordings.published import published
from assets.recordings.slides import slides
from assets.recordings.source import recording
from assets.recordings.subtitles import subtitles
from assets.recordings.summary import summary
from assets.recordings.transcript import transcript
from dagster_project.settings import Settings
from jobs.recordings import recordings, renotes
from jobs.upkeep import upkeep_jobs, upkeep_schedules
from resources.notes.typesetting import Typesetter
from resources.speech.recognition import Speech
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.summary.summarizing import Summarizer
from sensors.failures import failures_sensor
from sensors.recordings import recordings_inbox


def build_defs(settings: Settings | None = None, **overrides: Any) -> dg.Definitions:
    """Definitions under `settings` (default: the environment's).

    `overrides` replace resources by key, e.g. `build_defs(speech=Speech(model="tiny.en", ...))`; an unknown key is a
    TypeError.
    """
    settings = settings or Settings()
    resources = _resources(settings)
    if unknown := set(overrides) - set(resources):
        raise TypeError(f"no such resource: {', '.join(sorted(unknown))}")
    assets = [recording, audio, slides, transcript, subtitles, summary, notes, published]
    upkeep = upkeep_jobs(assets, settings.homes.cache, hub=not settings.offline)
    return dg.Definitions(
        assets=assets,
        jobs=[recordings, renotes, *upkeep],
        schedules=upkeep_schedules(upkeep, collect=settings.collect_garbage),
        sensors=_sensors(settings),
        resources={**resources, **overrides},
        executor=dg.in_process_executor,
    )


def _resources(settings: Settings) -> Mapping[str, Any]:
    homes = settings.homes
    store = ArtifactStore(
        root=str(homes.store),
        library=str(homes.library),
        device=settings.device,
        resident_gb=settings.resident_gb,
        check_residents=settings.check_residents,
    )
    return {
        "store": store,
        "io_manager": ArtifactIOManager(store=store),
        "speech": Speech(
            model=settings.speech_model,
            device=settings.speech_device,
            language=settings.speech_language,
            batch_size=settings.speech_batch_size,
            threads=settings.speech_threads,
            cache=str(homes.cache),
            offline=settings.offline,
        ),
        "summarizer": Summarizer(
            model=settings.summary_model, device=settings.device, cache=str(homes.cache), offline=settings.offline
        ),
        "typesetter": Typesetter(page_format=settings.page_format, cache=str(homes.cache)),
    }


def _sensors(settings: Settings) -> list[dg.SensorDefinition]:
    homes = settings.homes
    token = settings.webhook_token
    return [
        recordings_inbox(
            folder=homes.recordings_inbox,
            ledger=homes.intake,
            failures=homes.failures_log,
            disk=homes.home,
            settle_seconds=settings.settle_seconds,
            min_free_gb=settings.min_free_gb,
            hash_budget_mb=settings.hash_budget_mb,
            min_recording_s=settings.min_recording_s,
        ),
        failures_sensor(
            log=homes.failures_log,
            webhook_url=str(settings.webhook_url) if settings.webhook_url else None,
            webhook_token=token.get_secret_value() if token else None,
        ),
    ]


defs = build_defs()
