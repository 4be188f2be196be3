"""Completions of the tweets' beginnings that people dropped, or gave in the config.

Belongs here: the asset, and what is recorded of it. Does not belong here: reading prompts and writing files
(`prompting.py`), which checkpoint is meant (`current.py`), completing (`language_models.py`).
"""

import time
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from assets.tweets import current
from assets.tweets.source import GROUP, OWNERS, tweet_prompts
from dagster_project.partitions import tweet_batches
from resources.commonmark import bullets
from resources.errors import BadInput, MissingOriginal, failures
from resources.intake import batches
from resources.progress import Progress
from resources.store.io_manager import ArtifactStore
from resources.store.types import Files
from resources.training.results import publish_files
from resources.training.trainer import Trainer, needed

if TYPE_CHECKING:
    from assets.tweets.prompting import Prompt

COMPLETIONS, PAGE, SKIPPED = "completions.csv", "completions.md", "skipped.txt"
_SHOWN_DIGITS = 8  # of a digest, as in the names of runs: enough to tell checkpoints apart
_SHOWN = 20  # prompts and problems on the event's page; all are in the files


class CompletionsConfig(dg.Config):
    """Which model completes, and how; and prompts beside those in the files."""

    checkpoint: str = Field(
        default=current.AUTO,
        min_length=1,
        description=(
            "`auto` (the best model of the latest comparison, else the newest), `lstm/<preset>`,"
            " `transformer/<preset>`, or the beginning of a checkpoint's data version (6 or more hex digits)."
        ),
    )
    prompts: list[str] = Field(default_factory=list, description="Beginnings of tweets, beside those in the files.")
    mode: Literal["sampling", "greedy"] = Field(
        default="sampling", description="`greedy` takes the likeliest token each time, and has one completion."
    )
    count: int = Field(default=3, ge=1, le=100, description="Completions of each prompt; of `greedy` there is one.")
    temperature: float = Field(default=0.8, ge=0.01, le=5, description="Of sampling: below 1 prefers what is likely.")
    top_p: float = Field(default=0.9, gt=0, le=1, description="Sampling draws from so much of the probability.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="What is drawn in sampling follows from it.")
    max_new_tokens: int = Field(default=40, ge=1, le=200, description="A completion has at most so many tokens.")


@dg.asset(  # type: ignore[call-overload]  # dagster_type takes a class, too
    deps=[
        tweet_prompts,
        dg.AssetKey("completion_comparison"),
        dg.AssetDep("lstm_checkpoint", partition_mapping=dg.AllPartitionMapping()),
        dg.AssetDep("transformer_checkpoint", partition_mapping=dg.AllPartitionMapping()),
    ],
    partitions_def=tweet_batches,
    group_name=GROUP,
    kinds={"python", "torch", "csv"},
    owners=OWNERS,
    pool="gpu",
    code_version="1",
    dagster_type=Files,
    description=(
        f"`{COMPLETIONS}` and `{PAGE}`: completions of every prompt in the dropped files (a line of a text file, the"
        f" column of texts of a table) and in the config. What can't be read is in `{SKIPPED}`. All of it is also in"
        " `library/tweets/completions/<partition>/`; where another checkpoint than the best was asked for, in"
        " `<partition>~<model>-<its digest>/`."
    ),
)
def tweet_completions(
    context: dg.AssetExecutionContext, config: CompletionsConfig, store: ArtifactStore, trainer: Trainer
) -> dg.MaterializeResult:
    with failures():
        needed()
        from assets.tweets import prompting

        started = time.monotonic()
        prompts, problems = _read(context, config)
        if not prompts:
            raise BadInput(
                "There is nothing to complete:\n" + "\n".join(problems[:_SHOWN]),
                "Correct the files, and drop them again; or give `prompts` in the config.",
            )
        model = current.find(context.instance, config.checkpoint)
        begun = time.monotonic()
        completions = _completed(context, config, store, model, prompts, trainer.device())
        took = time.monotonic() - begun
        by = f"{model.name} ({model.digest[:_SHOWN_DIGITS]}), {_how(config)}"
        page = prompting.as_markdown(prompts, completions, by)
        files = {COMPLETIONS: prompting.as_csv(prompts, completions), PAGE: f"# Completions\n\n{page}\n".encode()}
        if problems:
            files[SKIPPED] = ("\n".join(problems) + "\n").encode()
        # What others say lies beside the best model's completions, never in their place.
        other = f"~{model.name.replace('/', '-')}-{model.digest[:_SHOWN_DIGITS]}"
        name = f"{context.partition_key}{'' if config.checkpoint == current.AUTO else other}"
        folder = publish_files(store, f"tweets/completions/{name}", files)
    say = context.log.warning if problems else context.log.info
    say(
        f"{by} completed {len(prompts):,} prompts; {len(problems):,} problems"
        f"{f', listed in {SKIPPED}' if problems else ''}: {folder}/{COMPLETIONS}"
    )
    return dg.MaterializeResult(
        value=Files(files),
        metadata={
            "prompts": len(prompts),
            "completions": sum(len(texts) for texts in completions),
            "skipped": len(problems),
            "model": model.name,
            "checkpoint": model.digest,
            "preview": dg.MetadataValue.md(prompting.as_markdown(prompts, completions, by, _SHOWN)),
            "folder": dg.MetadataValue.path(folder),
            "prompts_per_s": round(len(prompts) / took, 2) if took else 0.0,
            "wall_s": round(time.monotonic() - started, 3),
            **({"problems": dg.MetadataValue.md(bullets(problems, _SHOWN))} if problems else {}),
        },
    )


def _read(context: dg.AssetExecutionContext, config: CompletionsConfig) -> tuple[list["Prompt"], list[str]]:
    """The prompts of the config and of every file that is as it was taken in; what is left out, a line each."""
    from assets.tweets import prompting

    prompts, problems = prompting.of_texts(prompting.CONFIG, config.prompts)
    try:
        read, odd = batches.read_each(context, tweet_prompts.key.to_user_string(), prompting.of_file)
    except MissingOriginal:
        if config.prompts:  # those of the config suffice
            return prompts, problems
        raise
    return [*prompts, *(prompt for of_file in read for prompt in of_file)], [*problems, *odd]


def _completed(
    context: dg.AssetExecutionContext,
    config: CompletionsConfig,
    store: ArtifactStore,
    model: current.Model,
    prompts: list["Prompt"],
    device: str,
) -> list[list[str]]:
    """The completions of each prompt."""
    from assets.tweets.language_models import of_checkpoint
    from assets.tweets.lstm_generation import Sampling

    each = config.count if config.mode == "sampling" else 1
    texts = [prompt.text for prompt in prompts for _ in range(each)]
    progress = Progress(context.log, "completing prompts", len(texts), "completions")
    made = of_checkpoint(current.load(store, model), device).complete(
        texts,
        None,
        Sampling(config.temperature, config.top_p, config.seed) if config.mode == "sampling" else None,
        most_tokens=config.max_new_tokens,
        told=progress.update,
    )
    return [made[at : at + each] for at in range(0, len(made), each)]


def _how(config: CompletionsConfig) -> str:
    if config.mode == "greedy":
        return "greedy"
    return f"sampling at temperature {config.temperature:g}, top-p {config.top_p:g}, seed {config.seed}"
