from pathlib import Path

import pytest

from resources.errors import BadInput
from resources.speech.reference import error_rates, normalized, read_reference


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("It’s — well, IT'S 'done'.", "it's well it's done"),
        ("Ёлка; ёж, Straße", "елка еж strasse"),
        ("well-known\n\n  facts…", "well known facts"),
        ("42 % of ﬁsh", "42 of fish"),
        ("नमस्ते दुनिया।", "नमस्ते दुनिया"),
    ],
)
def test_what_makes_two_texts_the_same(written: str, compared: str) -> None:
    assert normalized(written) == compared


def test_rates_count_words_and_characters() -> None:
    rates = error_rates("The water is heaviest at four degrees.", "the Water was heaviest, at degrees")
    assert rates.words == 7
    assert rates.wer == pytest.approx(2 / 7)  # is -> was, four is missing
    # i -> w and an a before s; "four " is missing: 7 of the 37 characters of the reference with its blanks
    assert rates.cer == pytest.approx(7 / 37)
    assert error_rates("yes", "").wer == 1
    assert error_rates("yes", "yes yes yes").wer == 2


def test_characters_are_words_where_nothing_stands_between_words() -> None:
    rates = error_rates("今天天气很好。", "今天 天气不好", separator="")
    assert rates.words == 6
    assert rates.wer == rates.cer == pytest.approx(1 / 6)


def test_a_reference_without_words_is_named() -> None:
    with pytest.raises(BadInput, match="no words"):
        error_rates("… — !", "yes")


def test_the_reference_lies_beside_the_recording(tmp_path: Path) -> None:
    recording = tmp_path / "talk.v2.mp4"
    assert read_reference(recording) is None
    (tmp_path / "talk.v2.ref.txt").write_bytes("\ufeffДобрый день.\r\n".encode())
    assert read_reference(recording) == "Добрый день.\r\n"


def test_a_reference_that_is_no_text_is_named(tmp_path: Path) -> None:
    recording, reference = tmp_path / "talk.mp4", tmp_path / "talk.ref.txt"
    reference.write_bytes("ein\nzwei\nfünf".encode("latin-1"))
    with pytest.raises(BadInput, match=r"talk\.ref\.txt is not UTF-8 in line 3"):
        read_reference(recording)
    reference.write_bytes(b"a" * 10_000_001)
    with pytest.raises(BadInput, match="larger than 10 MB"):
        read_reference(recording)
