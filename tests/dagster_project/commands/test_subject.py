"""Which names and which lines mean a recording, and which may mean another."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.commands.subject import Subject, identify
from resources.failures_log import line
from resources.intake.identity import FileStat
from resources.intake.intake import Intake
from resources.intake.recordings import recordings_intake

LONG = "Lecture on the history of glaciers and their moraines, part "  # 60 characters
MINE, OTHER = f"mine~{'1' * 16}", f"other~{'2' * 16}"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as local:
        yield local


@pytest.fixture
def intake(instance: dg.DagsterInstance, tmp_path: Path) -> Iterator[Intake]:
    with recordings_intake(instance, tmp_path / "intake.sqlite", 1.0) as opened:
        yield opened


def _subject(instance: dg.DagsterInstance, intake: Intake, name: str, *others: str, stored: str = "") -> Subject:
    """Of a file called `name`, beside others: those with a `/` are told by events only, the rest by the ledger."""
    intake.ledger.take(f"/inbox/{name}", FileStat(1, 1, 1, 1), MINE, "1" * 64)
    for number, other in enumerate(others):
        if "/" not in other:
            intake.ledger.take(f"/inbox/{other}", FileStat(1, 1, 1, number), f"{OTHER}{number}", str(number) * 64)
            continue
        said = {"path": dg.MetadataValue.path(other)}
        kind = dg.AssetObservation if "refused" in other else dg.AssetMaterialization
        instance.report_runless_asset_event(kind("recording", partition=OTHER, metadata=said))
    return identify(instance, intake, MINE, Path("/inbox"), {stored} - {""})


@pytest.mark.parametrize(
    ("name", "other", "common"),
    [
        ("talk.mp4", "walk.mp4", []),
        ("talk.mp4", "talk.mp4.mkv", ["talk.mp4", "/inbox/talk.mp4"]),
        ("talk.mp4", "/elsewhere/My talk.mp4", ["talk.mp4"]),
        ("talk.mp4", "/refused/My talk.mp4", ["talk.mp4"]),
        ("talk.mp4", "/inbox/talk.mp4", []),  # it lay there before
        (f"{LONG}1.mp4", f"{LONG}2.mp4", [f"{LONG[:59]}…"]),
        (f"{LONG}1.mp4", f"/elsewhere/{LONG}2.mp4", [f"{LONG[:59]}…"]),
    ],
)
def test_what_may_mean_another_file(
    instance: dg.DagsterInstance, intake: Intake, name: str, other: str, common: list[str]
) -> None:
    subject = _subject(instance, intake, name, other)
    assert sorted(subject.common) == sorted(common)
    assert set(subject.own) == {MINE, "1" * 64, *subject.names, *subject.places} - set(common)


def test_a_file_of_the_store_may_be_called_like_it(instance: dg.DagsterInstance, intake: Intake) -> None:
    subject = _subject(instance, intake, "audio.flac", stored="audio.flac")
    assert subject.common == {"audio.flac"}
    assert "/inbox/audio.flac" in subject.own


RUN, RUN_2 = "11111111-2222-3333-4444-555555555555", "22222222-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (line("refused", "talk.mp4", "No sound.", ""), True),
        (line("refused", "My talk.mp4", "No sound.", ""), False),
        (line("refused", "talk.mp4.mkv", "No sound.", ""), False),
        (line("failed", "talk.mp4", "No room.", "", where=f"({MINE}) at notes", run_id=RUN_2), True),
        (line("failed", "walk.mp4", "No room.", "", where="at notes", run_id=RUN), True),
        (line("failed", "talk.mp4", "No room.", "", where=f"({OTHER}) at notes"), False),
        (line("failed", "talk.mp4", "No room.", "", where="at notes", run_id=RUN_2), False),
        (line("failed", "x", "/inbox/talk.mp4 is gone.", ""), True),
    ],
    ids=["own", "longer name", "other suffix", "own key", "own run", "other key", "other run", "own path"],  # no times
)
def test_a_line_of_the_failures_is_meant(instance: dg.DagsterInstance, intake: Intake, text: str, meant: bool) -> None:
    assert _subject(instance, intake, "talk.mp4").is_failure([RUN])(text.encode()) is meant


def test_a_name_that_others_have_too_decides_nothing(instance: dg.DagsterInstance, intake: Intake) -> None:
    is_failure = _subject(instance, intake, f"{LONG}1.mp4", f"{LONG}2.mp4").is_failure([])
    assert is_failure(line("refused", f"{LONG}1.mp4", "No sound.", "").encode())
    assert not is_failure(line("refused", f"{LONG}2.mp4", "No sound.", "").encode())
    assert not is_failure(line("refused", f"{LONG[:59]}…", "No sound.", "").encode())
