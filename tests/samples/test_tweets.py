"""The sample tweets are the same each time, and there is something to learn in them, but not everything."""

import csv
import itertools
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest


def make(repo: Path, *given: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(repo / "samples/tweets/make_tweets.py"), *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_same_arguments_give_the_same_bytes(repo: Path, make_tweets: ModuleType, tmp_path: Path) -> None:
    for form in make_tweets.FORMS:
        done = make(repo, "--format", form, "--seed", 3, 200, tmp_path / form)
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / form))
        again = make_tweets.write(tmp_path / "again" / form, form, 200, 3)
        assert again.read_bytes() == (tmp_path / form).read_bytes()
        assert make_tweets.write(tmp_path / "other", form, 200, 4).read_bytes() != again.read_bytes()


def test_the_official_form(make_tweets: ModuleType, tmp_path: Path) -> None:
    path = make_tweets.write(tmp_path / "x.csv", "sentiment140", 500)
    content = path.read_bytes()
    lines = content.split(b"\n")
    assert lines.pop() == b""
    assert all(line.startswith((b'"0","', b'"4","')) and line.endswith(b'"') for line in lines)
    rows = list(csv.reader(content.decode("latin-1").splitlines()))
    assert {len(row) for row in rows} == {6}
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert {row[3] for row in rows} == {"NO_QUERY"}
    assert rows[0][1:3] == ["1467810369", "Mon Apr 06 22:19:45 PDT 2009"]
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")  # it has é as Latin-1


def test_labels_are_even_and_few_texts_repeat(make_tweets: ModuleType) -> None:
    tweets = make_tweets.tweets(5_000, 1, 0.2)
    shares = {label: count / 5_000 for label, count in Counter(tweet.label for tweet in tweets).items()}
    # Five standard deviations of a share of 0.2 or 0.4 in 5,000.
    assert shares == pytest.approx({"negative": 0.4, "positive": 0.4, "neutral": 0.2}, abs=0.035)
    distinct = len({tweet.text for tweet in tweets})
    assert 4_800 < distinct < 5_000, "some repeat, so that removing them is tested"
    assert all(len(tweet.text) <= 280 for tweet in tweets)


def test_what_comes_before_tells_what_comes_next(make_tweets: ModuleType) -> None:
    """A bigram model, smoothed, needs less than half the bits of a unigram model: there is a grammar to learn."""
    texts = [f"^ {tweet.text} $".split() for tweet in make_tweets.tweets(6_000, 1)]
    train, test = texts[:5_000], texts[5_000:]
    words = Counter(word for text in train for word in text)
    pairs = Counter(pair for text in train for pair in itertools.pairwise(text))
    total, kinds = sum(words.values()), len(words) + 1
    alone = joint = 0.0
    for text in test:
        for before, word in itertools.pairwise(text):
            share = (words[word] + 1) / (total + kinds)
            alone -= math.log2(share)
            joint -= math.log2((pairs[before, word] + share) / (words[before] + 1))
    assert joint < 0.5 * alone


def test_topics_are_kept_and_names_come_back(make_tweets: ModuleType) -> None:
    tweets = [tweet.text for tweet in make_tweets.tweets(3_000, 2) if "#" in tweet.text]
    food = [text for text in tweets if "#foodie" in text]
    assert len(food) > 50
    assert not [text for text in food if " exam " in text.casefold() or "referee" in text.casefold()]
    named = [text for text in tweets if "because" in text and text.startswith("@")]
    assert named
    assert all(text[1:].split()[0].rstrip("0123456789").capitalize() in text[1:] for text in named)


def test_single_words_tell_most_but_not_all(make_tweets: ModuleType) -> None:
    """Naive Bayes over words is far better than guessing, and far from the 97 % that the wrong labels allow."""
    tweets = make_tweets.tweets(6_000, 1)
    train, test = tweets[:5_000], tweets[5_000:]
    counts = {
        label: Counter(w for t in train if t.label == label for w in t.text.split()) for label in make_tweets.LABELS[:2]
    }
    right = 0
    for tweet in test:
        odds = sum(
            math.log((counts["positive"][word] + 1) / (counts["negative"][word] + 1)) for word in tweet.text.split()
        )
        right += (odds > 0) == (tweet.label == "positive")
    assert 750 < right < 930  # of 1,000; measured: 849, and 934 for pairs of words in a logistic regression


def test_committed_files(repo: Path) -> None:
    for name in ("new_tweets.txt", "prompts.txt"):
        lines = (repo / "samples/tweets" / name).read_text(encoding="utf-8").splitlines()
        assert len(lines) == 12
        assert all(line.strip() == line for line in lines)


@pytest.mark.parametrize("given", [("0", "x"), ("5", "x", "--neutral", "2"), ("5", "x", "--format", "xml")], ids=str)
def test_wrong_arguments_are_said(repo: Path, tmp_path: Path, given: tuple[str, ...]) -> None:
    done = make(repo, *[tmp_path / "x" if part == "x" else part for part in given])
    assert done.returncode == 2
    assert "must be" in done.stderr or "invalid choice" in done.stderr
    assert not list(tmp_path.iterdir())
