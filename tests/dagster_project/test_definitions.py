"""What the definitions promise: light to load, described, checked, and put together in one place."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from dagster_project import partitions, training
from dagster_project.definitions import build_defs, defs
from dagster_project.settings import PROJECT_ROOT, Settings
from resources.errors import BadInput

HEAVY = [
    "torch",
    "transformers",
    "lightning",
    "faster_whisper",
    "ctranslate2",
    "onnxruntime",
    "mlflow",
    "matplotlib",
    "pandas",
    "pyarrow",
    "sklearn",
    "av",
    "fpdf",
    "PIL",
    "numpy",
]
TRAINED = ["cifar10", "housing"]
EXTERNAL = {
    *("recording", "cifar10_images", "housing_files", "housing_questions"),
    *("sentiment_file", "sentiment_questions", "tweet_files", "tweet_prompts"),
}
SENTIMENT = ["baseline", "champion", "checkpoint", "dataset", "evaluation"]
CHAIN = ["audio", "notes", "published", "slides", "subtitles", "summary", "transcript"]


def _graph() -> Any:
    return defs.resolve_asset_graph()


def _assets() -> list[dg.AssetKey]:
    return [key for key in _graph().toposorted_asset_keys if _graph().get(key).is_materializable]


def _specs() -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    code = (
        "import json, sys; import dagster; before = set(sys.modules); import dagster_project.definitions;"
        f"print(json.dumps(sorted((set(sys.modules) - before) & set({HEAVY}))))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert json.loads(out) == []


def test_loading_the_definitions_says_nothing() -> None:
    code = "import dagster_project.definitions as d; d.dg.Definitions.validate_loadable(d.defs)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_the_definitions_validate() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_chain_is_what_the_design_draws() -> None:
    parents = {name: sorted(dep.asset_key.to_user_string() for dep in spec.deps) for name, spec in _specs().items()}
    trained = {}
    for product, data, questions in (("cifar10", [], "images"), ("housing", ["housing_files"], "questions")):
        trained |= {
            f"{product}_{questions}": [],
            f"{product}_dataset": data,
            f"{product}_checkpoint": [f"{product}_dataset"],
            f"{product}_evaluation": [f"{product}_checkpoint", f"{product}_dataset"],
            f"{product}_champion": [f"{product}_evaluation"],
            f"{product}_predictions": sorted([f"{product}_champion", f"{product}_{questions}"]),
        }
    of_sentiment = {
        "file": [],
        "questions": [],
        "dataset": ["file"],
        "baseline": ["dataset"],
        "checkpoint": ["dataset"],
        "evaluation": ["baseline", "checkpoint", "dataset"],
        "champion": ["baseline", "evaluation"],
        "pooled_champion": ["champion"],
        "predictions": ["champion", "pooled_champion", "questions"],
    }
    tweets = {
        "tweet_files": [],
        "tweet_prompts": [],
        "tweet_corpus": ["tweet_files"],
        "tweet_tokenizer": ["tweet_corpus"],
        "tweet_tokens": ["tweet_corpus", "tweet_tokenizer"],
        "lstm_checkpoint": ["tweet_tokens"],
        "transformer_checkpoint": ["tweet_corpus"],
        "completion_comparison": ["lstm_checkpoint", "transformer_checkpoint", "tweet_corpus"],
        "tweet_completions": ["completion_comparison", "lstm_checkpoint", "transformer_checkpoint", "tweet_prompts"],
    }
    assert parents == {
        **{f"sentiment_{name}": [f"sentiment_{of}" for of in above] for name, above in of_sentiment.items()},
        **tweets,
        "recording": [],
        "audio": ["recording"],
        "slides": ["recording"],
        "transcript": ["audio"],
        "subtitles": ["transcript"],
        "summary": ["transcript"],
        "notes": ["slides", "summary", "transcript"],
        "published": ["notes", "subtitles"],
        "housing_files": [],
        **trained,
    }


@pytest.mark.parametrize("name", sorted(_specs()))
def test_every_asset_is_described(name: str) -> None:
    spec = _specs()[name]
    product = _product(name)
    assert spec.description
    assert len(spec.description) > 60, "a sentence or two: what it is, and what of"
    assert spec.group_name == product
    assert spec.kinds
    assert spec.owners == ["team:scriptorium"]
    assert spec.partitions_def == _partitions(product, name.removeprefix(f"{product}_"))
    assert name in EXTERNAL or spec.code_version


def _product(name: str) -> str:
    if name.startswith(("tweet", "lstm", "transformer", "completion")):
        return "tweets"
    return next((product for product in (*TRAINED, "sentiment") if name.startswith(product)), "recordings")


def _partitions(product: str, part: str) -> dg.PartitionsDefinition | None:
    """Presets for what is trained, batches for what is asked, none for the data and for the champion."""
    if product == "sentiment":  # whose data are files, each with a champion
        batches = part in ("questions", "predictions")
        of_file = None if part == "pooled_champion" else partitions.sentiment_files
        return partitions.sentiment_batches if batches else of_file
    if product == "tweets":
        return {
            "lstm_checkpoint": partitions.lstm_presets,
            "transformer_checkpoint": partitions.transformer_presets,
            "tweet_prompts": partitions.tweet_batches,
            "tweet_completions": partitions.tweet_batches,
        }.get(part)
    if product == "recordings":
        return partitions.recordings_partitions
    if part in ("checkpoint", "evaluation"):
        return {"cifar10": partitions.cifar10_presets, "housing": partitions.housing_presets}[product]
    if part in ("images", "questions", "predictions"):
        return {"cifar10": partitions.cifar10_batches, "housing": partitions.housing_batches}[product]
    return None


def test_every_check_belongs_to_what_its_asset_is_made_by() -> None:
    graph = defs.resolve_asset_graph()
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert checked >= {"audio", "transcript", "summary", "notes", "subtitles", "slides"}
    assert checked >= {"cifar10_dataset", "cifar10_champion", "housing_champion", "housing_evaluation"}
    assert checked >= {"sentiment_dataset", "sentiment_evaluation", "sentiment_champion", "tweet_corpus"}
    assert checked >= {"sentiment_pooled_champion", "completion_comparison"}
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def == graph.get(key.asset_key).partitions_def, key


def test_every_preset_is_a_partition_and_passes_the_real_parser() -> None:
    kinds = [(product.presets, product.presets_def) for product in training.PRODUCTS]
    kinds += [(training.LSTM, partitions.lstm_presets), (training.TRANSFORMER, partitions.transformer_presets)]
    for kind, definition in kinds:
        presets = kind.read()
        assert list(presets) == list(definition.get_partition_keys())
        for machine in ("cpu", "gpu"):
            assert not presets[kind.default(machine)].is_baseline
    for product in training.PRODUCTS:
        assert len(product.presets.baselines()) >= 2, "a trivial one and one that takes some learning"


def test_a_preset_of_tweets_is_known_by_its_name_alone() -> None:
    assert not set(training.LSTM.read()) & set(training.TRANSFORMER.read())


def test_a_comparison_is_of_an_lstm_and_of_a_transformer_as_it_is_and_fine_tuned() -> None:
    settings = Settings(device="cpu")
    by_default = training.tweet_trainings(settings)
    assert [job for job, _ in by_default] == ["tweets_train_lstm"] + ["tweets_train_transformer"] * 2
    assert by_default[1][1] == "zero_shot"
    chosen = training.tweet_trainings(settings, ["fine_tuned", "tiny"])
    assert [preset for _, preset in chosen] == ["tiny", "zero_shot", "fine_tuned"]
    for wrong, said in ((["huge"], "There are: tiny"), (["tiny", "full"], "both of lstm_presets.yaml")):
        with pytest.raises(BadInput) as caught:
            training.tweet_trainings(settings, wrong)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("job", "assets"),
    [
        ("recordings", CHAIN),
        ("renotes", ["notes", "published", "summary"]),
        *((f"{product}_prepare", [f"{product}_dataset"]) for product in TRAINED),
        *((f"{product}_train", [f"{product}_checkpoint", f"{product}_evaluation"]) for product in TRAINED),
        *((f"{product}_promote", [f"{product}_champion"]) for product in TRAINED),
        *((f"{product}_predict", [f"{product}_predictions"]) for product in TRAINED),
        ("sentiment", [f"sentiment_{part}" for part in SENTIMENT]),
        ("sentiment_pool", ["sentiment_pooled_champion"]),
        ("sentiment_predict", ["sentiment_predictions"]),
        ("tweets_prepare", ["tweet_corpus", "tweet_tokenizer", "tweet_tokens"]),
        ("tweets_train_lstm", ["lstm_checkpoint"]),
        ("tweets_train_transformer", ["transformer_checkpoint"]),
        ("tweets_compare", ["completion_comparison"]),
        ("tweets_complete", ["tweet_completions"]),
    ],
)
def test_jobs_hold_the_assets_they_say(job: str, assets: list[str]) -> None:
    made = defs.resolve_job_def(job)
    assert sorted(key.to_user_string() for key in made.asset_layer.executable_asset_keys) == assets
    assert made.executor_def.name == "in_process"


def test_sensors_run_by_default() -> None:
    names = [
        *("recordings", "cifar10_images", "housing_files", "housing_questions", "housing_chain"),
        *("sentiment_files", "sentiment_questions", "sentiment_pool"),
        *("tweet_files", "tweet_prompts", "tweets_chain", "failures"),
    ]
    running = dg.DefaultSensorStatus.RUNNING
    assert {sensor.name: sensor.default_status for sensor in defs.sensors or []} == dict.fromkeys(names, running)


def test_what_trains_waits_for_one_another_and_what_predicts_for_others() -> None:
    """A long training must not hold up recordings, nor two trainings fill one device."""
    pools = {key.to_user_string(): node.pools for key in _assets() for node in [_graph().get(key)]}
    training_pool, pool = {"gpu_training"}, {"gpu"}
    for name in ("lstm_checkpoint", "transformer_checkpoint", "sentiment_checkpoint", "sentiment_baseline"):
        assert pools[name] == training_pool, name
    for name in ("sentiment_predictions", "tweet_completions", "completion_comparison", "sentiment_pooled_champion"):
        assert pools[name] == pool, name


def test_the_pooled_champion_is_judged_on_the_file_that_the_settings_name(tmp_path: Path) -> None:
    job = build_defs(Settings(sentiment_validation=tmp_path / "a" / ".." / "judge.csv")).resolve_job_def(
        "sentiment_pool"
    )
    asset = {"config": {"validation": str(tmp_path / "judge.csv")}}
    assert job.run_config == {"ops": {"sentiment_pooled_champion": asset}}


def test_an_unknown_override_is_refused() -> None:
    with pytest.raises(TypeError, match="speach"):
        build_defs(speach=1)


def test_workspace_and_pyproject_name_the_same_module() -> None:
    assert "module_name: dagster_project.definitions" in (PROJECT_ROOT / "workspace.yaml").read_text()
    assert 'module_name = "dagster_project.definitions"' in (PROJECT_ROOT / "pyproject.toml").read_text()


# Everything else in `resources` runs wherever Python runs, without Dagster or MLflow.
NEED_DAGSTER = {
    "resources.checks",
    "resources.intake.batch_events",
    "resources.intake.batches",
    "resources.intake.intake",
    "resources.intake.known_batches",
    "resources.intake.recordings",
    "resources.intake.sentiment",
    "resources.notes.typesetting",
    "resources.speech.recognition",
    "resources.store.io_manager",
    "resources.store.records",
    "resources.store.report",
    "resources.store.upkeep.known",
    "resources.summary.summarizing",
    "resources.tracking",
    "resources.training.choosing",
    "resources.training.crowning",
    "resources.training.launchpad",
    "resources.training.results",
    "resources.training.trainer",
}


def test_the_other_resources_import_without_dagster(repo: Path) -> None:
    files = [path.relative_to(repo).with_suffix("") for path in (repo / "resources").rglob("*.py")]
    modules = {".".join(path.parts) for path in files if path.name != "__init__"}
    assert modules >= NEED_DAGSTER
    code = "\n".join(
        ["import sys", "sys.modules['dagster'] = sys.modules['mlflow'] = None"]
        + [f"import {module}" for module in sorted(modules - NEED_DAGSTER)]
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_secret_is_in_what_dagster_stores_and_shows() -> None:
    settings = Settings(summary_url="http://127.0.0.1:9/v1", summary_key="hush-summary", webhook_token="hush-webhook")
    snapshot = dg.serialize_value(RepositorySnap.from_def(build_defs(settings).get_repository_def()))
    assert "127.0.0.1:9" in snapshot  # or it would show nothing of the summarizer at all
    assert "hush" not in snapshot


def test_a_fresh_process_can_read_every_document() -> None:
    """One that loads a comparison does not import the code that compares."""
    code = (
        "import dagster_project.definitions; from resources.store.types import Document;"
        "assert 'CompletionComparison' in Document.registry"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_fresh_process_can_read_every_card() -> None:
    """A run that loads a checkpoint does not import the code that makes one."""
    code = (
        "import dagster_project.definitions; from resources.store.types import Document;"
        "print(sorted(name for name in Document.registry if name.endswith('Card')))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == (
        "['Card', 'Cifar10Card', 'HousingCard', 'LstmCard', 'SentimentCard', 'TransformerCard']"
    )
