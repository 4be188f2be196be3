"""What is pure stays so, and heavy libraries wait until a Table comes."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from resources.errors import MissingExtra
from resources.store import codecs
from resources.store.types import Table

PURE = [
    "artifacts",
    "blobs",
    "codecs",
    "durable",
    "filesystem",
    "fingerprints",
    "library",
    "loader",
    "lock",
    "manifests",
    "placement",
    "residency",
    "scratch",
    "tensor_files",
    "tensors",
    "types",
    "verified",
]


def run(code: str, repo: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_pure_modules_import_without_dagster_and_heavy_libraries(repo: Path) -> None:
    code = f"""
import importlib, sys
for name in ("dagster", "mlflow", "pandas", "pyarrow", "numpy", "torch", "safetensors"):
    sys.modules[name] = None
for name in {PURE!r}:
    importlib.import_module(f"resources.store.{{name}}")
import resources.device, resources.errors, resources.progress
"""
    run(code, repo)


def test_the_io_manager_imports_nothing_heavy(repo: Path) -> None:
    code = """
import sys
import resources.store.io_manager
print([name for name in ("pandas", "pyarrow", "numpy", "torch", "safetensors", "mlflow") if name in sys.modules])
"""
    assert run(code, repo) == "[]"


def test_a_table_has_the_same_bytes_in_every_process(repo: Path) -> None:
    frame = 'pd.DataFrame({"b": [1.5, None], "a": ["x", "ё"]}, index=["r", "s"])'
    code = f"""
import pandas as pd
from blake3 import blake3
from resources.store import codecs
from resources.store.types import Table
print(blake3(codecs.TableCodec().encode(Table({frame}), "t").files["table.parquet"]).hexdigest())
"""
    from blake3 import blake3

    here = codecs.TableCodec().encode(Table(eval(frame, {"pd": pd})), "t").files["table.parquet"]
    assert isinstance(here, bytes)
    assert run(code, repo) == blake3(here).hexdigest()


def test_a_table_without_its_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(pd.DataFrame({"a": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"pyarrow.*make setup EXTRAS=train"):
        codecs.TableCodec().encode(table, "t")


def test_nothing_is_ever_unpickled(repo: Path) -> None:
    for path in (repo / "resources" / "store").glob("*.py"):
        text = path.read_text()
        assert "import pickle" not in text
        assert "read_pickle" not in text
