"""The log of what was forgotten: what counts, and what a crash may leave of it."""

from pathlib import Path

import pytest

from resources.intake.forgotten import FORGOTTEN, TAKEN_IN, Forgotten

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def log(tmp_path: Path) -> Forgotten:
    return Forgotten(tmp_path / "intake.sqlite")


def test_the_last_line_of_a_digest_counts(log: Forgotten) -> None:
    assert ONE not in log
    log.note(FORGOTTEN, ONE)
    assert ONE in log
    assert TWO not in log
    log.note(TAKEN_IN, ONE)
    assert ONE not in log
    log.note(FORGOTTEN, ONE)
    assert ONE in log


def test_it_holds_a_time_and_a_digest_and_nothing_else(log: Forgotten) -> None:
    log.note(FORGOTTEN, ONE)
    time, what, digest = log.path.read_text().rstrip("\n").split("  ")
    assert (len(time), what, digest) == (20, "forgotten", ONE)


def test_a_key_that_was_cut_off_is_found_by_its_digits(log: Forgotten) -> None:
    log.note(FORGOTTEN, ONE)
    log.note(FORGOTTEN, TWO)
    log.note(TAKEN_IN, TWO)
    assert log.starting_with("1" * 16) == ONE
    assert log.starting_with("2" * 16) is None


@pytest.mark.parametrize("cut", range(1, 85, 7))
def test_a_torn_line_hides_neither_those_before_nor_those_after(log: Forgotten, cut: int) -> None:
    log.note(FORGOTTEN, ONE)
    whole = log.path.read_bytes()
    log.note(FORGOTTEN, TWO)
    log.path.write_bytes(log.path.read_bytes()[: len(whole) + cut])
    assert ONE in log
    assert TWO not in log
    log.note(FORGOTTEN, TWO)
    assert ONE in log
    assert TWO in log
