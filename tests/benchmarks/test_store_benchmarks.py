"""The benchmarks of the store run, small, and say what they must; their speeds are not judged here."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.train

CHECKS = [
    "digest_of_device_tensors_equal",
    "all_on_the_device",
    "residency_hit_same_memory",
    "residency_hit_bytes_moved",
    "too_large_goes_to_host_memory",
    "out_of_memory_ends_in_host_memory",
    "out_of_memory_leaves_all_intact",
    "fits_once_memory_is_free",
]


def run(repo: Path, *command: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [sys.executable, *command], cwd=repo / "docs", capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) == 4 and line[3] in ("ok", "short", "unmeasured")}


@pytest.mark.parametrize("bare", [False, True])
def test_the_gpu_check_needs_torch_and_safetensors_alone(bare: bool, repo: Path) -> None:
    script = str(repo / "benchmarks" / "gpu_check.py")
    code = f"""
import runpy, sys
if {bare}:
    for name in ("pydantic", "blake3", "dagster", "psutil"):
        sys.modules[name] = None
sys.argv = ["gpu_check.py", "4"]
runpy.run_path({script!r}, run_name="__main__")
"""
    rows = run(repo, "-c", code)
    assert [name for name in CHECKS if rows[name][2] != "ok"] == []
    assert rows["manifest_digest_of_device_tensors_equal"][2] == ("unmeasured" if bare else "ok")
    for name in ("host_to_device_file_vs_pinned", "host_to_device_host_tensors_vs_pinned"):
        assert rows[name][2] == "unmeasured"  # a speed without an aim


def test_the_store_benchmark_names_every_aim(repo: Path) -> None:
    rows = run(repo, str(repo / "benchmarks" / "store.py"), "2", "1")
    assert {name: row[1] for name, row in rows.items()} == {
        "store_2MB_vs_safetensors": "1.3",
        "store_2MB_vs_torch": "-",
        "load_cold_2MB_vs_safetensors": "1.3",
        "load_cold_2MB_vs_torch": "-",
        "load_warm_2MB_vs_safetensors": "1.05",
        "load_warm_2MB_vs_torch": "-",
        "hand_over_same_memory": "1",
        "hand_over_bytes_read": "65536",
    }
    assert rows["hand_over_same_memory"][2] == rows["hand_over_bytes_read"][2] == "ok"
