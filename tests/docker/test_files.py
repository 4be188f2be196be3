"""What docker/ promises without an engine: every setting reaches the containers, every package reaches the image."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_project.settings import Settings


@pytest.fixture
def services(repo: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((repo / "docker" / "compose.yaml").read_text())["services"])


def test_every_setting_but_the_home_is_passed_on(services: dict[str, Any]) -> None:
    expected = {f"SCRIPTORIUM_{name.upper()}" for name in Settings.model_fields} - {"SCRIPTORIUM_HOME"}
    for service in services.values():
        assert set(service["environment"]) == expected


def test_every_package_is_copied_into_the_image(repo: Path) -> None:
    packages = tomllib.loads((repo / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    let_through = {line[1:] for line in (repo / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name.partition(".")[0] for name in packages} <= let_through


def test_only_the_ui_is_published_and_only_on_this_machine(services: dict[str, Any]) -> None:
    published = {name: service.get("ports", []) for name, service in services.items()}
    assert published.pop("webserver")[0].startswith("127.0.0.1:")
    assert not any(published.values())


def test_docker_is_no_package(repo: Path) -> None:
    """With an __init__.py it would be imported in place of the Docker SDK."""
    assert not (repo / "docker" / "__init__.py").exists()
