from hypothesis import given
from hypothesis import strategies as st

from resources.notes.lines import Measure, Style, Token

PLAIN, GREY = Style("serif", 10), Style("serif", 10, "777777")
SMALL = Style("sans", 8)
# Every character of the serif face is half an em wide, every one of the sans face 0.6 em.
MEASURE = Measure({"serif": dict.fromkeys(range(0x3000), 0.5), "sans": dict.fromkeys(range(0x3000), 0.6)})

words = st.text(alphabet="abcdefgh/-.—ж", min_size=1, max_size=60)
tokens = st.lists(
    st.builds(Token, words, st.sampled_from([PLAIN, GREY, SMALL]), st.none(), st.booleans()), min_size=1, max_size=40
)


@given(tokens, st.floats(40, 400))
def test_no_letter_is_lost_and_no_line_is_too_wide(given_tokens: list[Token], width: float) -> None:
    lines = MEASURE.break_lines(given_tokens, width, x=7)
    whole = "".join(run.text for line in lines for run in line.runs).replace(" ", "")
    assert whole == "".join(token.text for token in given_tokens)
    for line in lines:
        last = line.runs[-1]
        assert line.runs[0].x == 7
        assert last.x + last.width <= 7 + width + 0.1
        assert all(after.x > run.x + run.width - 0.01 for run, after in zip(line.runs, line.runs[1:], strict=False))


@given(tokens, st.floats(40, 400))
def test_a_line_knows_its_first_word(given_tokens: list[Token], width: float) -> None:
    for line in MEASURE.break_lines(given_tokens, width):
        text = line.runs[0].text.strip().split(" ")[0]
        assert text in given_tokens[line.first].text


def test_lines_are_filled_and_words_of_one_style_are_one_run() -> None:
    lines = MEASURE.break_lines([Token(word, PLAIN) for word in ["aa", "bb", "cc", "dd"]], 25)
    assert [[run.text for run in line.runs] for line in lines] == [["aa bb"], ["cc dd"]]


def test_a_blank_between_styles_stays_in_the_text() -> None:
    [line] = MEASURE.break_lines([Token("sure", PLAIN), Token("unsure", GREY), Token("sure", PLAIN)], 500)
    assert [run.text for run in line.runs] == ["sure ", "unsure ", "sure"]


def test_a_long_address_breaks_after_a_slash_if_it_can() -> None:
    lines = MEASURE.break_lines([Token("https://example.org/one/two/three", PLAIN)], 100)
    assert [line.runs[0].text for line in lines] == ["https://example.org/", "one/two/three"]


def test_no_line_begins_with_a_dash() -> None:
    lines = MEASURE.break_lines([Token(word, PLAIN) for word in ["aaaa", "bbbb", "—", "cccc"]], 50)
    assert [line.runs[0].text for line in lines] == ["aaaa", "bbbb —", "cccc"]


def test_a_tied_token_stays_with_the_one_before() -> None:
    given_tokens = [Token("aaaa", PLAIN), Token("bbbb", PLAIN), Token("9:99", SMALL, "there", tied=True)]
    lines = MEASURE.break_lines(given_tokens, 60)
    assert [[run.text for run in line.runs] for line in lines] == [["aaaa"], ["bbbb ", "9:99"]]
    assert lines[1].runs[1].link == "there"


def test_fitting_cuts_at_a_word_and_says_so() -> None:
    assert MEASURE.fit("one two three", PLAIN, 500) == "one two three"
    assert MEASURE.fit("one two three", PLAIN, 50) == "one two…"
    assert MEASURE.fit("onetwothree", PLAIN, 30) == "onetw…"
