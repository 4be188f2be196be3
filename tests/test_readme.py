"""The README's commands run as written, and what it says about targets, settings and links is true.

Blocks marked `bash` are executed here, in order, each in a shell of its own. Blocks marked `sh` hold what can't run
inside a test: those are listed below with the place that runs them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project import training
from dagster_project.settings import Settings

RUN_ELSEWHERE = {
    "scriptorium restore summary KEY RUN": "tests/dagster_project/commands/test_versions.py",
    "scriptorium forget KEY": "tests/dagster_project/commands/test_forget.py",
    "make train-cifar10 SAMPLE=1": "tests/dagster_project/commands/test_train.py",  # the commands of the target
    "make train-housing": "tests/dagster_project/commands/test_train.py",
    "scriptorium train cifar10 --preset resnet18": "tests/dagster_project/commands/test_train.py",  # with `tiny`
    "scriptorium infer cifar10 --checkpoint champion FOLDER": "tests/dagster_project/commands/test_train.py",
    "scriptorium backfill cifar10_train tiny resnet18": "tests/faults/test_sweep.py",  # with housing_train
    "make train-sentiment SAMPLE=1": "tests/dagster_project/commands/test_train_tweets.py",  # with `tiny`
    "make train-tweets SAMPLE=1": "tests/dagster_project/commands/test_train_tweets.py",
    'scriptorium infer tweets --prompt "good morning"': "tests/dagster_project/commands/test_train_tweets.py",
    "make mlflow": "tests/dagster_project/test_cli.py",  # as `scriptorium mlflow`, which is all that the target calls
    "make demo": ".ci/run",
    "make test": ".ci/run",
    "make dev": "tests/e2e/test_ui.py",  # as `scriptorium dev`, which is all that the target calls
}
DOCS = [
    "README.md",
    "docs/index.md",
    "docs/operations.md",
    "docs/docker.md",
    "docs/decisions.md",
    "docs/notebook.md",
    "docs/quality.md",
    "docs/training.md",
    "docs/housing.md",
    "docs/tweets.md",
    "docs/reliability.md",
]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.timeout(420)
def test_the_commands_run(repo: Path, tmp_path: Path) -> None:
    place = tmp_path / "scriptorium"
    place.mkdir()
    tracked = subprocess.run(["git", "ls-files"], cwd=repo, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    for name in {line.split("/")[0] for line in tracked if line}:
        (place / name).symlink_to(repo / name)
    bin_folder = Path(sys.executable).parent
    env = {name: value for name, value in os.environ.items() if not name.startswith(("SCRIPTORIUM_", "DAGSTER_"))}
    # A shell like the one in which `.venv` beside the README is active, whatever environment runs this test.
    env |= {"PATH": f"{bin_folder}:{env['PATH']}", "SCRIPTORIUM_HOME": str(place / "data"), "TERM": "dumb"}
    env["SCRIPTORIUM_SENTENCE_ENCODER"] = "none"  # as the README installs it; the tests' own install has one
    blocks = _blocks((repo / "README.md").read_text(), "bash")
    assert len(blocks) >= 3
    for block in blocks:
        script = block.replace("source .venv/bin/activate", "true")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=place, env=env, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    assert len(list((place / "data" / "library" / "recordings").glob("*/notes.pdf"))) == 2


def test_commands_that_are_only_shown_are_run_elsewhere(repo: Path) -> None:
    shown = [line for block in _blocks((repo / "README.md").read_text(), "sh") for line in block.splitlines()]
    assert set(shown) == set(RUN_ELSEWHERE)
    ci = (repo / ".ci" / "run").read_text()
    assert re.search(r"^make demo$", ci, re.MULTILINE)
    assert re.search(r"^make test ", ci, re.MULTILINE)


def test_every_make_target_has_a_line_of_help(repo: Path) -> None:
    listed = subprocess.run(["make"], cwd=repo, check=True, capture_output=True, text=True).stdout
    trainings = [f"train-{product}" for product in training.NAMES]
    work = ["setup", "demo", *trainings, "mlflow", "dev"]
    for target in [*work, "test", "lint", "bench", "bench-long", "docs", "clean"]:
        assert re.search(rf"^  make {target} +\S", listed, re.MULTILINE), target


def test_the_settings_table_is_complete(repo: Path) -> None:
    rows = re.findall(r"^\| `SCRIPTORIUM_.*$", (repo / "README.md").read_text(), re.MULTILINE)
    named = set(re.findall(r"SCRIPTORIUM_([A-Z_]+)", "\n".join(rows)))
    assert named == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("page", DOCS)
def test_links_lead_somewhere(repo: Path, page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (repo / page).read_text()):
        if not target.startswith("http"):
            assert ((repo / page).parent / target).exists(), target


def test_nothing_names_a_machine_path(repo: Path) -> None:
    found = subprocess.run(
        ["git", "grep", "-nE", r"/(root|home)/[a-z]|/opt/[a-z]", "--", "*.py", "*.md", "*.yaml", "*.toml", "Makefile"],
        cwd=repo, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert [line for line in found.splitlines() if not line.startswith(("tests/", "docker/"))] == []
