"""Settings come from the environment, a wrong one names itself, and `.env.example` lists them all."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from dagster_project.settings import Settings


def _example(repo: Path) -> dict[str, str]:
    lines = (repo / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))


def test_env_example_lists_every_variable_with_its_default(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = _example(repo)
    assert set(example) == {f"SCRIPTORIUM_{name.upper()}" for name in Settings.model_fields}
    monkeypatch.delenv("SCRIPTORIUM_HOME")
    for name, value in example.items():
        monkeypatch.setenv(name, value)
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert Settings(_env_file=None).model_dump() == defaults


def test_a_wrong_value_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTORIUM_SPEECH_BATCH_SIZE", "many")
    with pytest.raises(ValidationError, match="speech_batch_size"):
        Settings(_env_file=None)


@pytest.mark.parametrize("url", ["http://me:hush@host/v1", "http://host/v1?key=hush"])
def test_an_address_holds_no_secret(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SCRIPTORIUM_SUMMARY_URL", url)
    with pytest.raises(ValidationError, match="SUMMARY_KEY"):
        Settings(_env_file=None)


def test_home_is_absolute_and_everything_lies_under_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_HOME", "my home")
    homes = Settings(_env_file=None).homes
    homes.make()
    assert homes.home == tmp_path / "my home"
    assert homes.recordings_inbox.is_dir()
    assert all(str(path).startswith(str(homes.home)) for name, path in vars(homes).items())


def test_the_webhook_token_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTORIUM_WEBHOOK_TOKEN", "s3cret-value")
    assert "s3cret-value" not in repr(Settings(_env_file=None))
