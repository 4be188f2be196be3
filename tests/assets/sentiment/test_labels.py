"""Every way of writing labels, and the refusal of those that could mean two things."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from assets.sentiment.labels import Options, plain_value, read
from resources.errors import BadInput

TEXTS = ["what a lovely morning", "so tired of this rain", "the bus was late again", "tea with my best friend"]


def table(labels: list[str], header: str = "text,label") -> bytes:
    rows = [f"{TEXTS[i % 4]} number {i},{label}" for i, label in enumerate(labels)]
    return "\n".join([*([header] if header else []), *rows, ""]).encode()


@pytest.mark.parametrize("header", ["text,label", "Tweet,Sentiment", ""], ids=["known", "other", "none"])
@pytest.mark.parametrize(
    ("negative", "neutral", "positive"),
    [
        pytest.param("0", None, "4", id="0 4"),
        pytest.param("0", "2", "4", id="0 2 4"),
        pytest.param("0", None, "1", id="0 1"),
        pytest.param("0", None, "2", id="0 2"),
        pytest.param("-1", None, "1", id="-1 1"),
        pytest.param("-1", "0", "+1", id="-1 0 1"),
        pytest.param("-1.0", "0.0", "1.0", id="floats"),
        pytest.param("\u22121", "0", "1", id="minus sign"),
        pytest.param("neg", None, "pos", id="short words"),
        pytest.param("Negative", "Neutral", "POSITIVE", id="words"),
    ],
)
def test_known_ways(negative: str, neutral: str | None, positive: str, header: str) -> None:
    labels = [negative, positive, positive, *([neutral] if neutral else []), negative, positive]
    labelled = read("x.csv", table(labels, header))
    wanted = {negative: "negative", positive: "positive", neutral: "neutral"}
    assert labelled.meanings == [wanted[label] for label in labels]
    assert len(labelled.texts) == len(labels)
    assert labelled.texts[0] == f"{TEXTS[0]} number 0"
    assert labelled.values[plain_value(positive)] == (3, "positive")
    assert sum(count for count, _ in labelled.values.values()) == len(labels)


def test_an_unknown_header_is_seen_over_numbers_and_else_told() -> None:
    assert read("x.csv", table(["1", "0"], "words,what")).label_column == '"what"'
    advice = r"set `header` to true"
    for told in ({}, {"pos": "positive", "neg": "negative"}):
        options = Options(label_column="2" if told else None, labels=told)
        with pytest.raises(BadInput, match=rf'"what" \(1\).*{advice}'):  # taken for a label, so that it is seen
            read("x.csv", table(["pos", "neg"], "words,what"), options)
    with pytest.raises(BadInput) as caught:
        read("x.csv", table(["good", "bad", "good", "bad"], ""), Options(label_column="2"))
    assert "header" not in caught.value.remedy, "the first row is as the others"
    assert read("x.csv", table(["pos", "neg"], "words,what"), Options(header=True)).label_column == '"what"'


def test_one_label_written_in_two_ways_is_one() -> None:
    labelled = read("x.csv", table(["pos", "Pos", "neg", "POSITIVE"]))
    assert labelled.values == {"neg": (1, "negative"), "pos": (2, "positive"), "positive": (1, "positive")}


def test_rows_without_a_label_are_told_apart() -> None:
    labelled = read("x.csv", table(["pos", "", "neg", " "]))
    assert labelled.meanings == ["positive", "", "negative", ""]
    assert labelled.values[""] == (2, "")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        pytest.param(
            ["0", "1", "2", "2"], '"2" (2), "0" (1), "1" (1), and of 0, 1 and 2 it is not known which', id="0 1 2"
        ),
        pytest.param(["1", "2", "2"], '"2" (2), "1" (1), and it is not known what they mean', id="1 2"),
        pytest.param(["1", "2", "3", "4", "5"], '"1" (1), "2" (1), "3" (1), "4" (1), "5" (1), and it', id="stars"),
        pytest.param(["good", "bad"], '"bad" (1), "good" (1), and it is not known', id="other words"),
        pytest.param(["pos", "neg", "irrelevant"], '"irrelevant" (1), "neg" (1), "pos" (1), and it', id="another word"),
        pytest.param(["0", "4", "pos"], '"0" (1), "4" (1), "pos" (1), and it', id="mixed"),
        pytest.param(["true", "false"], '"false" (1), "true" (1), and it', id="truth"),
        pytest.param(["pos", "pos"], 'has no negative row. It has "pos" (2): positive', id="one class"),
        pytest.param(["-1", "0"], 'has no positive row. It has "-1" (1): negative, "0" (1): neutral', id="no positive"),
        pytest.param(["", ""], "no label", id="empty"),
        pytest.param([f"@someone{i}" for i in range(60)], '"@user" (1), "@user" (1)', id="names"),
    ],
)
def test_what_nobody_knows_is_listed_with_counts(labels: list[str], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read("x.csv", table(labels))
    assert said.replace("no label", "has no negative and no positive row") in caught.value.message
    assert 'column "label"' in caught.value.message
    assert "`labels`" in caught.value.remedy
    assert "someone" not in str(caught.value), "people are not named"


@pytest.mark.parametrize(
    ("labels", "config"),
    [
        pytest.param(["0", "1", "2"], '{"0": "negative", "1": "neutral", "2": "positive"}', id="0 1 2"),
        pytest.param(
            ["10", "2", "3", "4"], '{"10": "positive", "2": "negative", "3": "negative", "4": "positive"}', id="numbers"
        ),
        pytest.param(["0", "1", "nan"], '{"0": "negative", "1": "positive", "nan": "neutral"}', id="nan"),
        pytest.param(["pos", "neg", "odd"], '{"neg": "negative", "odd": "neutral", "pos": "positive"}', id="a word"),
        pytest.param(["bad", "good", "so"], '{"bad": "negative", "good": "positive", "so": "neutral"}', id="words"),
    ],
)
def test_the_advice_lacks_no_value_and_works(labels: list[str], config: str) -> None:
    content = table(labels)
    with pytest.raises(BadInput) as caught:
        read("x.csv", content)
    assert f"such as {config}" in caught.value.remedy
    read("x.csv", content, Options(labels=json.loads(config)))  # not refused again


def test_what_is_told_is_taken() -> None:
    told = Options(labels={"1": "negative", "2.0": "negative", "3": "neutral", "4": "positive", "5": "positive"})
    labelled = read("x.csv", table(["1", "2", "3", "4", "5", "5"]), told)
    assert labelled.meanings == ["negative", "negative", "neutral", "positive", "positive", "positive"]
    turned = read("x.csv", table(["0", "1"]), Options(labels={"0": "positive", "1": "negative"}))
    assert turned.meanings == ["positive", "negative"]
    with pytest.raises(BadInput, match=r'has "6" \(1\), of which `labels` says nothing'):
        read("x.csv", table(["1", "5", "6"]), told)


def test_two_columns_that_could_be_meant_are_refused() -> None:
    both = b"text,label,sentiment\nwell done,1,neg\noh no,0,pos\nyes,1,pos\n"
    with pytest.raises(BadInput) as caught:
        read("x.csv", both)
    assert 'more than one column could hold the labels: "label" has "1" (2), "0" (1); "sentiment"' in str(caught.value)
    assert caught.value.remedy == "Set `label_column` to one of them."
    assert read("x.csv", both, Options(label_column="sentiment")).meanings == ["negative", "positive", "positive"]
    assert read("x.csv", both, Options(label_column="2")).meanings == ["positive", "negative", "positive"]
    without = both.partition(b"\n")[2]
    with pytest.raises(BadInput, match="more than one column could hold the labels: number 2 has"):
        read("x.csv", without)


def test_of_two_names_the_one_with_labels_is_taken() -> None:
    scored = b"text,label,score\nwell done,pos,0.91\noh no,neg,0.85\n"
    assert read("x.csv", scored).label_column == '"label"'


def test_a_row_number_is_no_label() -> None:
    assert read("x.csv", b"id,text,mood\n0,well done,pos\n1,oh no,neg\n").label_column == '"mood"'


def test_no_column_of_labels_is_refused() -> None:
    with pytest.raises(BadInput, match=r'no column holds labels as they are known\. With few .*: "city"'):
        read("x.csv", b"text,city\nwell done,Rome\noh no,Oslo\n")
    rows = "".join(f"well done {i},{i * 7}\n" for i in range(100))
    with pytest.raises(BadInput, match=r"no column holds labels .* It has 2 columns"):
        read("x.csv", f"text,number\n{rows}".encode())


def test_the_column_of_texts_is_no_column_of_labels() -> None:
    with pytest.raises(BadInput, match='column "text" holds the texts'):
        read("x.csv", table(["pos", "neg"]), Options(label_column="text"))


@pytest.mark.parametrize("form", ["sentiment140", "words", "signs"])
def test_the_sample_in_each_form(make_tweets: ModuleType, tmp_path: Path, form: str) -> None:
    path = make_tweets.write(tmp_path / f"{form}.csv", form, 400, 5)
    labelled = read(path.name, path.read_bytes())
    made = make_tweets.tweets(400, 5, 0.2 if form == "words" else 0.0)
    if form == "sentiment140":
        made = sorted(made, key=lambda tweet: tweet.label != "negative")
    assert labelled.texts == [tweet.text for tweet in made]
    assert labelled.meanings == [tweet.label for tweet in made]
    assert (labelled.form == "Sentiment140") == (form == "sentiment140")
    assert labelled.encoding == ("latin-1" if form == "sentiment140" else "utf-8")


def test_sentiment140_with_other_meanings_or_columns(make_tweets: ModuleType, tmp_path: Path) -> None:
    path = make_tweets.write(tmp_path / "s.csv", "sentiment140", 300, 5, 0.2)
    content = path.read_bytes()
    assert {meaning for _, meaning in read("s.csv", content).values.values()} == {"negative", "neutral", "positive"}
    told = read("s.csv", content, Options(labels={"0": "negative", "2": "positive", "4": "positive"}))
    assert "neutral" not in told.meanings
    by_number = read("s.csv", content, Options(text_column="6", label_column="1"))
    assert by_number.form.startswith("a table with no header")
    assert by_number.meanings == read("s.csv", content).meanings
    with pytest.raises(BadInput, match=r'has "2" \(\d+\), of which'):
        read("s.csv", content, Options(labels={"0": "negative", "4": "positive"}))


@pytest.mark.parametrize(
    ("written", "plain"),
    [("4.0", "4"), ("+1", "1"), ("-1.00", "-1"), ("-0", "0"), ("007", "7"), (" Pos ", "pos"), ("4.5", "4.5"), ("", "")],
)
def test_plain_values(written: str, plain: str) -> None:
    assert plain_value(written) == plain
