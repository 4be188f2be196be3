"""Every knob of the platform, typed, with its default and its environment variable `SCRIPTORIUM_<NAME>`.

Belongs here: what a person may set, and where things lie. Nothing else reads environment variables.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, HttpUrl, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Read from the environment, then from `.env` beside workspace.yaml; a wrong value is an error that names it."""

    model_config = SettingsConfigDict(
        env_prefix="SCRIPTORIUM_", env_file=PROJECT_ROOT / ".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    home: Path = Field(
        PROJECT_ROOT / "data", description="Where everything lies: inbox, library, store, Dagster's own files."
    )

    settle_seconds: float = Field(
        10, ge=0, description="A file is taken in once it has not changed for so many seconds."
    )
    min_free_gb: float = Field(
        1.0, ge=0, description="Nothing is taken in while the disk has less free space than this, in GB."
    )
    hash_budget_mb: int = Field(
        2048, ge=1, description="How many MB of new files one sensor tick reads; larger ones take several ticks."
    )
    min_recording_s: float = Field(1.0, ge=0, description="A recording shorter than this, in seconds, is refused.")

    speech_model: str = Field(
        "auto", description="`auto`, a faster-whisper model name, or a folder with a CTranslate2 model."
    )
    speech_device: Literal["auto", "cuda", "cpu"] = Field("auto", description="Where speech recognition runs.")
    speech_language: str | None = Field(
        None, description="ISO 639-1 code of the recordings' language; found by listening if empty."
    )
    speech_batch_size: int = Field(
        0, ge=0, le=64, description="How many windows of speech are decoded at once; 0 means 16 on CUDA, 8 on a CPU."
    )
    speech_threads: int = Field(0, ge=0, description="CPU threads for speech recognition; 0 means all cores.")
    speech_window_min: float = Field(
        30, ge=1, le=240, description="Longer recordings are heard in windows of so many minutes, each kept by itself."
    )

    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="Where tensors are kept and torch's models run: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.",
    )
    resident_gb: float | None = Field(
        None,
        gt=0,
        description="At most so many GB of tensors are kept on each device; without it, what is free, in host memory a"
        " quarter.",
    )
    check_residents: bool = Field(
        False, description="Debugging: fail an asset that writes into tensors it was lent. Costs a hash at each use."
    )

    collect_garbage: bool = Field(
        False, description="Let the weekly collection delete what nothing needs any more; otherwise it only lists it."
    )

    speakers: bool = Field(False, description="Tell speakers apart in transcripts and notes (needs the extra diarize).")

    summary_model: str = Field(
        "auto",
        description="`auto` or `extractive` for the built-in summarizer, a transformers model name or folder, or the"
        " model's name at SCRIPTORIUM_SUMMARY_URL.",
    )
    summary_url: HttpUrl | None = Field(
        None, description="An OpenAI-compatible endpoint that writes the summaries, such as http://127.0.0.1:11434/v1."
    )
    summary_key: SecretStr | None = Field(None, description="Sent to that endpoint as a bearer token, if set.")
    summary_timeout_s: float = Field(120, gt=0, description="An answer of that endpoint is waited for so long.")
    sentence_encoder: str = Field(
        "auto",
        description="Compares sentences for chapters and the built-in summarizer: `auto` (one that is installed, for"
        " English), `none` (by their words), or a transformers encoder's name or folder.",
    )

    sentiment_validation: Path | None = Field(
        None,
        description="A file of labelled tweets on which the sentiment champions of all files are compared, for one"
        " pooled champion; without it there is none.",
    )

    tracking: bool = Field(True, description="Keep trainings in MLflow as well (`make mlflow` shows them).")

    page_format: Literal["A4", "Letter"] = Field("A4", description="Page size of the notes.")

    offline: bool = Field(False, description="Never ask a model hub.")
    webhook_url: HttpUrl | None = Field(None, description="Failures are posted here as JSON, if set.")
    webhook_token: SecretStr | None = Field(None, description="Sent to the webhook as a bearer token, if set.")

    @field_validator("summary_url")
    @classmethod
    def _without_secrets(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url is not None and (url.username or url.password or url.query):
            raise ValueError("an address is shown and stored: leave out user, password and ?…, set SUMMARY_KEY instead")
        return url

    @cached_property
    def homes(self) -> Homes:
        return Homes(self.home)


class Homes:
    """The folders and files under one absolute home."""

    def __init__(self, home: Path) -> None:
        self.home = Path(home).expanduser().resolve()
        self.inbox = self.home / "inbox"
        self.recordings_inbox = self.inbox / "recordings"
        self.cifar10_inbox = self.inbox / "cifar10"
        self.housing_inbox = self.inbox / "housing"
        self.housing_questions = self.housing_inbox / "predict"
        self.sentiment_inbox = self.inbox / "sentiment"
        self.sentiment_questions = self.sentiment_inbox / "predict"
        self.tweets_inbox = self.inbox / "tweets"
        self.tweet_prompts = self.tweets_inbox / "predict"
        self.library = self.home / "library"
        self.store = self.home / "store"
        self.dagster = self.home / "dagster"
        self.cache = self.home / "cache"
        self.intake = self.home / "intake.sqlite"
        self.mlflow = self.home / "mlflow.db"
        self.mlflow_artifacts = self.home / "mlflow"
        self.failures_log = self.library / "failures.log"

    @property
    def inboxes(self) -> tuple[Path, ...]:
        """The folders that people drop files into."""
        return (
            self.recordings_inbox,
            self.cifar10_inbox,
            self.housing_inbox,
            self.housing_questions,
            self.sentiment_inbox,
            self.sentiment_questions,
            self.tweets_inbox,
            self.tweet_prompts,
        )

    def make(self) -> None:
        """Create the folders that people and sensors expect to exist."""
        for folder in (*self.inboxes, self.library, self.store, self.dagster, self.cache):
            folder.mkdir(parents=True, exist_ok=True)
