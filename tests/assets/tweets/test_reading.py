"""Files become one corpus: any form, every row accounted for, each tweet once and in one split."""

from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from assets.tweets import reading
from resources.errors import BadInput
from resources.text.tweets import cleaned, identity

SENTENCES = [f"number {n} is a tweet of its own" for n in range(400)]


def csv(header: str, rows: list[str]) -> bytes:
    return "\n".join([header, *rows]).encode()


@pytest.mark.parametrize("form", ["sentiment140", "words", "signs", "text"])
def test_every_form_of_the_sample_gives_its_texts(make_tweets: ModuleType, tmp_path: Path, form: str) -> None:
    path = make_tweets.write(tmp_path / f"tweets.{'txt' if form == 'text' else 'csv'}", form, 300, neutral=0.0)
    read = reading.texts_of(path.name, path.read_bytes())
    expected = [tweet.text for tweet in make_tweets.tweets(300)]
    assert Counter(map(cleaned, read.texts)) == Counter(map(cleaned, expected))
    assert read.form.startswith({"sentiment140": "Sentiment140", "text": "text"}.get(form, "CSV"))


def test_rows_that_are_missing_are_told(make_tweets: ModuleType, tmp_path: Path) -> None:
    """The name of the training file says how many rows it has; another one's can be set."""
    path = make_tweets.write(tmp_path / "training.400.processed.noemoticon.csv", "sentiment140", 300)
    with pytest.raises(BadInput, match="has 300 rows; it should have 400"):
        reading.texts_of(path.name, path.read_bytes())
    whole = path.read_bytes()
    assert len(reading.texts_of("other.csv", whole, expected_rows=300).texts) == 300
    for name, content in (("a.csv", whole), ("a.txt", b"one\ntwo"), ("b.csv", csv("text,n", ["one,1", "two,2"]))):
        with pytest.raises(BadInput, match="it should have 7"):
            reading.texts_of(name, content, expected_rows=7)


def test_mentions_do_not_cut_rows_apart() -> None:
    """A file was once split at @user, which made 550,000 tweets of 1.6 million."""
    rows = [
        f'"{4 * (n % 2)}","{n}","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","u{n}","@a hi @user {n}"' for n in range(60)
    ]
    read = reading.texts_of("x.csv", "\n".join(sorted(rows)).encode("latin-1"))
    assert len(read.texts) == 60
    assert len(reading.corpus_of(read.texts).texts) == 60


def test_the_column_of_texts_is_recognised_or_named() -> None:
    named = csv("id,tweet,city", ["1,hello there my friend,Rome", "2,good morning all of you,Bern"])
    assert reading.texts_of("a.csv", named).texts[0] == "hello there my friend"
    assert reading.texts_of("a.csv", named, column="city").texts == ["Rome", "Bern"]
    assert reading.texts_of("a.csv", named, column="3").texts == ["Rome", "Bern"]
    bare = "\n".join(f"{n};this is what number {n} has to say" for n in range(5)).encode()
    assert reading.texts_of("b.csv", bare).texts[2] == "this is what number 2 has to say"


def test_an_unclear_column_is_refused_with_what_was_seen() -> None:
    twice = csv("id,a,b", [f"{n},one two three four,five six seven eight" for n in range(3)])
    with pytest.raises(BadInput, match=r"not clear which column.*a \(18 characters\); b \(20 characters\)"):
        reading.texts_of("a.csv", twice)
    with pytest.raises(BadInput, match='no column "c"'):
        reading.texts_of("a.csv", twice, column="c")


def test_every_row_is_a_tweet_or_counted() -> None:
    texts = [*SENTENCES, *SENTENCES[:30], "   ", "\u200b"]
    corpus = reading.corpus_of(texts, limit=350)
    assert (corpus.read, corpus.duplicates, corpus.empty, corpus.left_out) == (432, 30, 2, 50)
    assert len(corpus.texts) == len(set(corpus.texts)) == len(corpus.splits) == 350


def test_spellings_and_retweets_are_one_tweet_in_one_split() -> None:
    again = [f"RT @somebody: {text.upper()}" for text in SENTENCES]
    corpus = reading.corpus_of([*again, *SENTENCES])
    assert corpus.duplicates == 400
    assert sorted(corpus.texts) == sorted(SENTENCES), "the shortest spelling is kept"
    assert len({identity(text) for text in corpus.texts}) == 400


def test_handles_and_links_are_gone() -> None:
    corpus = reading.corpus_of([f"@alice{n} look at https://example.com/{n} number {n}" for n in range(100)])
    assert all(text.startswith("@user look at http number") for text in corpus.texts)


def test_the_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    one, turned = reading.corpus_of(SENTENCES), reading.corpus_of(SENTENCES[::-1])
    assert one.texts == turned.texts
    assert (one.splits == turned.splits).all()
    other = reading.corpus_of(SENTENCES, seed=1)
    assert other.texts != one.texts
    by_text = dict(zip(one.texts, one.splits.tolist(), strict=True))
    assert by_text != dict(zip(other.texts, other.splits.tolist(), strict=True))


def test_a_sample_is_taken_across_a_file_sorted_by_label() -> None:
    bad, good = [f"bad {text}" for text in SENTENCES], [f"good {text}" for text in SENTENCES]
    corpus = reading.corpus_of([*bad, *good], limit=400)
    share = np.mean([text.startswith("good") for text in corpus.texts])
    assert 0.4 < share < 0.6  # four standard deviations of a fair draw; the first rows would give 0
    whole = reading.corpus_of([*bad, *good])
    split = dict(zip(whole.texts, whole.splits.tolist(), strict=True))
    assert all(split[text] == part for text, part in zip(corpus.texts, corpus.splits.tolist(), strict=True))


def test_splits_are_of_the_usual_sizes() -> None:
    corpus = reading.corpus_of(f"tweet {n}" for n in range(5_000))
    assert np.bincount(corpus.splits) / 5_000 == pytest.approx([0.8, 0.1, 0.1], abs=0.02)  # four standard deviations


def test_too_few_tweets_are_refused() -> None:
    with pytest.raises(BadInput, match=r"3 different tweets .* too few"):
        reading.corpus_of(SENTENCES[:3])
