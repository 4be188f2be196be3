"""Cleaning, what counts as the same tweet, and parts that follow from that alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.text.tweets import cleaned, identities, identity, split_of, splits_of

HANDLES = st.from_regex(r"\A[A-Za-z_]\w{0,14}\Z", fullmatch=False).map(str.strip).filter(str.isidentifier)
PATHS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
WORDS = st.lists(
    st.text(st.characters(whitelist_categories=["Ll", "Lu"]), min_size=1, max_size=8), min_size=1, max_size=8
)


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        pytest.param("Hi @bob_1, it's ME!", "Hi @user, it's ME!", id="mention"),
        pytest.param(".@alice's tea", ".@user's tea", id="mention within signs"),
        pytest.param("＠ａｌｉｃｅ hi", "@user hi", id="wide mention"),
        pytest.param("write to jo.smith+x@mail.example.org now", "write to @user now", id="mail address"),
        pytest.param("see http://t.co/aB1?x=@bob", "see http", id="link with a name in it"),
        pytest.param("HTTPS://X.ORG and www.example.com/a", "http and http", id="links"),
        pytest.param("it's on twitter.com/somebody/1", "it's on http", id="link without a scheme"),
        pytest.param("w/o sugar 24/7, e.g. a.b or 3.5/5", "w/o sugar 24/7, e.g. a.b or 3.5/5", id="no links"),
        pytest.param("I &lt;3 it &amp;amp; &quot;you&quot;", 'I <3 it & "you"', id="entities"),
        pytest.param(" a\t b\r\n\u00a0c ", "a b c", id="white space"),
        pytest.param("a\x00b\u200bc\u202ed\ufeffe\ud83df", "abcdef", id="invisible characters"),
        pytest.param("&#0;x&#x202e;y", "\ufffdxy", id="invisible characters as entities"),
        pytest.param("caf\u0065\u0301", "caf\u00e9", id="composed"),
        pytest.param(
            "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467", id="family"
        ),
        pytest.param("a @ 5pm @", "a @ 5pm @", id="at"),
        pytest.param("\n\x07", "", id="nothing"),
    ],
)
def test_cleaned(raw: str, kept: str) -> None:
    assert cleaned(raw) == kept


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_cleaning_ends_and_changes_nothing_the_second_time(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once
    assert once == " ".join(once.split())
    once.encode("utf-8")


@settings(deadline=None)  # as above
@given(st.text("&@#ampltgx0123;:/.wht ＠\u200b\x01", max_size=40))
def test_pieces_of_what_is_replaced_come_to_an_end_too(text: str) -> None:
    once = cleaned(text)
    assert cleaned(once) == once


@settings(deadline=None)  # as above
@given(handle=HANDLES, words=WORDS)
def test_no_handle_survives(handle: str, words: list[str]) -> None:
    said = " ".join(words)
    assert cleaned(f"@{handle} {said}") == cleaned(f"@user {said}")
    assert cleaned(f"{said} {handle}@example.org") == cleaned(f"{said} @user")
    assert cleaned(f"{said} https://twitter.com/{handle}") == cleaned(f"{said} http")


@settings(deadline=None)  # as above
@given(words=WORDS, one=HANDLES, other=HANDLES, path=PATHS, seed=st.integers(0, 2**32 - 1))
def test_the_same_tweet_is_in_the_same_part_whoever_is_named(
    words: list[str], one: str, other: str, path: str, seed: int
) -> None:
    said = " ".join(words)
    first = f"@{one} {said} http://example.com/{path}"
    again = f"  @{other}  {said.upper() if said.upper().casefold() == said.casefold() else said}\thttps://ex.am/ple"
    assert identity(first) == identity(again)
    assert split_of(identity(first), seed) == split_of(identity(again), seed)
    assert identity(f"RT @{other}: {first}") == identity(first)


def test_what_differs_in_more_is_another_tweet() -> None:
    texts = ["good", "good!", "goods", "not good", "@user good", "rt good"]
    assert len({identity(text) for text in texts}) == len(texts)
    assert all(len(identity(text)) == 16 for text in texts)


@settings(deadline=None)  # as above
@given(st.lists(st.text(max_size=20), max_size=20), st.integers(0, 2**32 - 1))
def test_many_fall_where_each_would(texts: list[str], seed: int) -> None:
    kept = [cleaned(text) for text in texts]
    many = identities(kept)
    assert many.shape == (len(texts), 16)
    assert [row.tobytes() for row in many] == [identity(text) for text in kept]
    shares = (0.5, 0.3, 0.2)
    assert splits_of(many, seed, shares).tolist() == [split_of(identity(text), seed, shares) for text in kept]


def test_parts_have_their_shares_and_seeds_are_unlike() -> None:
    tweets = identities(str(number) for number in range(20_000))
    first = splits_of(tweets)
    shares = np.bincount(first, minlength=3) / len(first)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.011)  # five standard deviations of a share of 0.1 in 20,000
    second = splits_of(tweets, seed=1)
    both = ((first == 2) & (second == 2)).mean()
    assert both == pytest.approx(0.01, abs=0.0036)  # of independent draws; five standard deviations
    assert (splits_of(tweets, 0, (1.0, 0.0, 0.0)) == 0).all()
    assert (splits_of(tweets, 0, (0.0, 0.0, 1.0)) == 2).all()


def test_parts_are_what_they_were() -> None:
    """Whoever changes how tweets are divided makes every champion incomparable to the one before."""
    tweets = identities(["good morning", "so tired", "i love it", "@user thanks", "http", "not bad at all", "ugh"])
    assert splits_of(tweets).tolist() == [1, 0, 0, 0, 0, 2, 0]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.2, -0.1), (0.5, 0.2, 0.2)], ids=["two", "negative", "sum"])
def test_shares_that_are_none(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        split_of(bytes(16), 0, shares)
