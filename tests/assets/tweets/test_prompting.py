"""Prompts as people write them, and files of completions that are safe to open."""

import csv
import io

import pytest

pytest.importorskip("numpy")

from assets.tweets.prompting import Prompt, as_csv, as_markdown, of_file, of_texts


def test_odd_prompts_are_read_and_empty_ones_are_named() -> None:
    texts = ["", "  \t ", "@someone_real", "😀👩‍👩‍👧", "\u202eשלום עולם\u202c", "see https://a.example/b", "\x00\u200b"]
    prompts, problems = of_texts("a.txt", texts)
    assert [(each.number, each.text) for each in prompts] == [
        (3, "@user"), (4, "😀👩‍👩‍👧"), (5, "שלום עולם"), (6, "see http"),
    ]  # fmt: skip
    assert [problem.split(":")[0] for problem in problems] == ["a.txt, text 1", "a.txt, text 2", "a.txt, text 7"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [(" ".join(map(str, range(300))), " ".join(map(str, range(100, 300)))), ("x" * 5_000, "x" * 2_000)],
    ids=["words", "characters"],
)
def test_of_a_very_long_prompt_the_end_is_read_and_that_is_said(text: str, kept: str) -> None:
    [prompt], [problem] = of_texts("a.txt", [text])
    assert prompt.text == kept
    assert "only the end of it is read" in problem


def test_empty_lines_of_a_file_are_no_prompts() -> None:
    prompts, _ = of_file("a.txt", b"one\r\n\r\n\r\ntwo\n")
    assert [prompt.text for prompt in prompts] == ["one", "two"]


def test_no_cell_is_a_formula_and_each_completion_has_a_row() -> None:
    content = as_csv([Prompt("=a.txt", 1, "-x")], [["+1", ""]]).decode()
    rows = list(csv.reader(io.StringIO(content)))[1:]
    assert rows == [["'=a.txt", "1", "'-x", "1", "+1", "'-x+1"], ["'=a.txt", "1", "'-x", "2", "", "'-x"]]


def test_a_page_shows_what_was_asked_as_text_and_says_what_it_leaves_out() -> None:
    prompts = [Prompt("a.txt", number, f"<b>{number}</b> *so*") for number in (1, 2, 3)]
    page = as_markdown(prompts, [[" it is"], [""], [" x"]], "lstm/tiny", most=2)
    assert r"\<b\>1\</b\> \*so\*" in page
    assert "- … it is" in page
    assert "(ends here)" in page
    assert "… and 1 more prompts" in page
