"""The only place where things are put together: assets, jobs, sensors and the resources they ask for.

Belongs here: which implementation serves which name, under which settings. Does not belong here: any logic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from assets.cifar10.champion import cifar10_champion
from assets.cifar10.checkpoint import cifar10_checkpoint
from assets.cifar10.dataset import cifar10_dataset
from assets.cifar10.evaluation import cifar10_evaluation
from assets.cifar10.external import cifar10_images
from assets.cifar10.predictions import cifar10_predictions
from assets.housing.champion import housing_champion
from assets.housing.checkpoint import housing_checkpoint
from assets.housing.dataset import housing_dataset, housing_files, housing_questions
from assets.housing.evaluation import housing_evaluation
from assets.housing.predictions import housing_predictions
from assets.recordings.audio import audio
from assets.recordings.notes import notes
from assets.recordings.published import published
from assets.recordings.slides import slides
from assets.recordings.source import recording
from assets.recordings.subtitles import subtitles
from assets.recordings.summary import summary
from assets.recordings.transcript import transcript
from assets.sentiment.baseline import sentiment_baseline
from assets.sentiment.champion import sentiment_champion
from assets.sentiment.checkpoint import sentiment_checkpoint
from assets.sentiment.dataset import sentiment_dataset
from assets.sentiment.evaluation import sentiment_evaluation
from assets.sentiment.pooled import sentiment_pooled_champion
from assets.sentiment.predictions import sentiment_predictions
from assets.sentiment.source import sentiment_file, sentiment_questions
from assets.tweets.comparison import completion_comparison
from assets.tweets.completions import tweet_completions
from assets.tweets.corpus import tweet_corpus
from assets.tweets.lstm_checkpoint import lstm_checkpoint
from assets.tweets.source import tweet_files, tweet_prompts
from assets.tweets.tokenizer import tweet_tokenizer
from assets.tweets.tokens import tweet_tokens
from assets.tweets.transformer_checkpoint import transformer_checkpoint
from dagster_project import training
from dagster_project.settings import Settings
from jobs.recordings import recordings, renotes
from jobs.sentiment import sentiment_jobs
from jobs.training import training_jobs
from jobs.tweets import tweets_compare, tweets_complete, tweets_prepare, tweets_train_lstm, tweets_train_transformer
from jobs.upkeep import upkeep_jobs, upkeep_schedules
from resources.notes.typesetting import Typesetter
from resources.speech.recognition import Speech
from resources.store.io_manager import ArtifactIOManager, ArtifactStore
from resources.summary.summarizing import Summarizer
from resources.tracking import Tracking
from resources.training.trainer import Trainer
from sensors.chain import chain_sensor
from sensors.failures import failures_sensor
from sensors.inbox import Limits
from sensors.recordings import recordings_inbox
from sensors.sentiment import sentiment_inbox, sentiment_pool_sensor, sentiment_questions_inbox
from sensors.training import cifar10_inbox, housing_inbox, housing_questions_inbox
from sensors.tweets import tweet_prompts_inbox, tweets_inbox

_RECORDINGS = [recording, audio, slides, transcript, subtitles, summary, notes, published]
_CIFAR10 = [
    cifar10_images,
    cifar10_dataset,
    cifar10_checkpoint,
    cifar10_evaluation,
    cifar10_champion,
    cifar10_predictions,
]
_HOUSING = [
    housing_files,
    housing_questions,
    housing_dataset,
    housing_checkpoint,
    housing_evaluation,
    housing_champion,
    housing_predictions,
]
_SENTIMENT = [
    sentiment_file,
    sentiment_dataset,
    sentiment_baseline,
    sentiment_checkpoint,
    sentiment_evaluation,
    sentiment_champion,
    sentiment_pooled_champion,
    sentiment_questions,
    sentiment_predictions,
]
_TWEETS = [
    tweet_files,
    tweet_corpus,
    tweet_tokenizer,
    tweet_tokens,
    lstm_checkpoint,
    transformer_checkpoint,
    completion_comparison,
    tweet_prompts,
    tweet_completions,
]


def build_defs(settings: Settings | None = None, **overrides: Any) -> dg.Definitions:
    """Definitions under `settings` (default: the environment's).

    `overrides` replace resources by key, e.g. `build_defs(speech=Speech(model="tiny.en", ...))`; an unknown key is a
    TypeError.
    """
    settings = settings or Settings()
    resources = _resources(settings)
    if unknown := set(overrides) - set(resources):
        raise TypeError(f"no such resource: {', '.join(sorted(unknown))}")
    assets = [*_RECORDINGS, *_CIFAR10, *_HOUSING, *_SENTIMENT, *_TWEETS]
    trainings = {p.name: training_jobs(p.name, p.presets_def, p.batches_def) for p in training.PRODUCTS}
    sentiment = sentiment_jobs(_validation(settings))
    upkeep = upkeep_jobs(assets, settings.homes.cache, hub=not settings.offline)
    return dg.Definitions(
        assets=assets,
        jobs=[
            recordings,
            renotes,
            *(job for jobs in trainings.values() for job in jobs),
            *sentiment.values(),
            tweets_prepare,
            tweets_train_lstm,
            tweets_train_transformer,
            tweets_compare,
            tweets_complete,
            *upkeep,
        ],
        schedules=upkeep_schedules(upkeep, collect=settings.collect_garbage),
        sensors=_sensors(settings, trainings, sentiment["sentiment_pool"]),
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
            window_min=settings.speech_window_min,
            threads=settings.speech_threads,
            speakers=settings.speakers,
            speakers_device=settings.device,
            cache=str(homes.cache),
            offline=settings.offline,
        ),
        "summarizer": Summarizer(
            model=settings.summary_model,
            url=str(settings.summary_url) if settings.summary_url else None,
            key=settings.summary_key,
            timeout_s=settings.summary_timeout_s,
            encoder=settings.sentence_encoder,
            device=settings.device,
            cache=str(homes.cache),
            offline=settings.offline,
        ),
        "typesetter": Typesetter(page_format=settings.page_format, cache=str(homes.cache)),
        "trainer": Trainer(
            store=store, device_setting=settings.device, cache=str(homes.cache), offline=settings.offline
        ),
        "tracking": Tracking(
            uri=f"sqlite:///{homes.mlflow}", artifacts=str(homes.mlflow_artifacts), enabled=settings.tracking
        ),
    }


def _validation(settings: Settings) -> Path | None:
    named = settings.sentiment_validation
    return None if named is None else named.expanduser().resolve()


def _sensors(
    settings: Settings, trainings: Mapping[str, Sequence[dg.JobDefinition]], pool: dg.JobDefinition
) -> list[dg.SensorDefinition]:
    homes = settings.homes
    limits = Limits(
        disk=homes.home,
        settle_seconds=settings.settle_seconds,
        min_free_bytes=int(settings.min_free_gb * 1e9),
        bytes_per_tick=settings.hash_budget_mb * 10**6,
    )
    log = homes.failures_log
    token = settings.webhook_token
    return [
        recordings_inbox(
            folder=homes.recordings_inbox,
            ledger=homes.intake,
            failures=log,
            disk=homes.home,
            settle_seconds=settings.settle_seconds,
            min_free_gb=settings.min_free_gb,
            hash_budget_mb=settings.hash_budget_mb,
            min_recording_s=settings.min_recording_s,
        ),
        cifar10_inbox(folder=homes.cifar10_inbox, failures=log, limits=limits),
        housing_inbox(folder=homes.housing_inbox, questions=homes.housing_questions, failures=log, limits=limits),
        housing_questions_inbox(folder=homes.housing_questions, failures=log, limits=limits),
        _housing_chain(settings, trainings["housing"]),
        sentiment_inbox(
            folder=homes.sentiment_inbox,
            questions=homes.sentiment_questions,
            ledger=homes.intake,
            failures=log,
            limits=limits,
        ),
        sentiment_questions_inbox(folder=homes.sentiment_questions, failures=log, limits=limits),
        sentiment_pool_sensor(pool, enabled=settings.sentiment_validation is not None),
        tweets_inbox(folder=homes.tweets_inbox, prompts=homes.tweet_prompts, failures=log, limits=limits),
        tweet_prompts_inbox(folder=homes.tweet_prompts, failures=log, limits=limits),
        chain_sensor(
            "tweets",
            lambda: training.tweet_trainings(settings),
            dataset=tweets_prepare,
            train=[tweets_train_lstm, tweets_train_transformer],
            last=tweets_compare,
        ),
        failures_sensor(
            log=log,
            webhook_url=str(settings.webhook_url) if settings.webhook_url else None,
            webhook_token=token.get_secret_value() if token else None,
        ),
    ]


def _housing_chain(settings: Settings, jobs: Sequence[dg.JobDefinition]) -> dg.SensorDefinition:
    housing = training.find("housing")
    dataset, train, champion, _ = jobs
    return chain_sensor(
        "housing",
        lambda: [(train.name, preset) for preset in housing.presets.sweep(settings)],
        dataset=dataset,
        train=[train],
        last=champion,
    )


defs = build_defs()
