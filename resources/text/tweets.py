"""A tweet's text: cleaned of what names people, what counts as the same tweet, and which part it falls into.

Belongs here: what sentiment and completion both do to every single text. Does not belong here: files (`tables.py`),
tokens. Pure: the standard library, BLAKE3 and numpy.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from blake3 import blake3

if TYPE_CHECKING:
    import numpy as np

USER, LINK = "@user", "http"
"""The placeholders of TweetEval and of the models trained for it (Barbieri et al. 2020)."""
TRAIN, VALIDATION, TEST = 0, 1, 2
PARTS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)

_IDENTITY_BYTES = 16
# A mail address names a person as a handle does. The look-behind and the possessive `++` keep it linear in the text.
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]++[@＠][\w-]+(?:\.[\w-]+)+")
_MENTION = re.compile(r"[@＠]\w+")
# With a scheme, with www, or a host and a path: twitter.com/somebody is a handle, too.
_WEB = re.compile(r"(?:https?://|\bwww\.)\S*|(?<![\w.-])(?:[a-z0-9-]++\.)+[a-z]{2,6}/\S*", re.IGNORECASE)
# Control characters but white space, invisible marks, marks of writing direction, and halves of surrogate pairs, which
# no UTF-8 has. The zero-width joiner stays: emoji are made with it.
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_RETWEET = re.compile(r"(?:rt\s*@user\s*:?\s*)+")
_GAMMA, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_64 = 2**64 - 1
_BITS = 53  # of a draw: as many as a float's share is exact to


def cleaned(text: str) -> str:
    """The text with mentions and mail addresses as `@user`, links as `http`, HTML entities resolved and white space
    collapsed; control characters are gone. Case and punctuation stay. Cleaning a cleaned text changes nothing.
    """
    while True:
        before = text
        if "&" in text:
            text = html.unescape(text)  # Sentiment140 has texts that were escaped twice: &amp;lt;3
        if not text.isascii() or not text.isprintable():
            text = unicodedata.normalize("NFC", _UNSEEN.sub("", text))
        if "/" in text or "." in text:
            text = _WEB.sub(LINK, text)
        if "@" in text or "＠" in text:
            text = _MENTION.sub(USER, _MAIL.sub(USER, text))
        text = " ".join(text.split())
        if text == before:
            return text


def identity(text: str) -> bytes:
    """What counts as the same tweet: 16 bytes of BLAKE3 over the cleaned text without regard to case.

    A leading `RT @somebody:` does not count: a retweet is the tweet it repeats.
    """
    return identity_of_cleaned(cleaned(text))


def identity_of_cleaned(text: str) -> bytes:
    """`identity` of a text that `cleaned` has returned."""
    folded = text.casefold()
    if folded.startswith("rt"):
        folded = _RETWEET.sub("", folded, count=1) if _RETWEET.match(folded) else folded
    if not folded.isascii():
        folded = unicodedata.normalize("NFKC", folded)
    return blake3(folded.encode()).digest(length=_IDENTITY_BYTES)


def identities(cleaned_texts: Iterable[str]) -> np.ndarray:
    """The identities of texts that `cleaned` has returned: uint8 (n, 16)."""
    import numpy as np

    joined = b"".join(identity_of_cleaned(text) for text in cleaned_texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, _IDENTITY_BYTES)


def split_of(tweet: bytes, seed: int = 0, shares: Sequence[float] = SHARES) -> int:
    """The part a tweet of this identity belongs to: 0 train, 1 validation, 2 test.

    It follows from the identity and the seed alone, by the finalizer of SplitMix64 (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", 2014): the same tweet is in the same part in every file, so that none
    leaks from one part into another. Raises: ValueError for shares that are not three of one whole.
    """
    first, second = _bounds(shares)
    mixed = (int.from_bytes(tweet[:8], "little") + (seed + 1) * _GAMMA) & _64
    mixed = ((mixed ^ (mixed >> 30)) * _MIX_1) & _64
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _64
    drawn = (mixed ^ (mixed >> 31)) >> (64 - _BITS)
    return TRAIN if drawn < first else VALIDATION if drawn < second else TEST


def splits_of(tweets: np.ndarray, seed: int = 0, shares: Sequence[float] = SHARES) -> np.ndarray:
    """`split_of` for many: `tweets` uint8 (n, 16) as `identities` gives them; uint8 (n,)."""
    import numpy as np

    first, second = _bounds(shares)
    start = np.ascontiguousarray(tweets[:, :8]).view("<u8")[:, 0]
    mixed = start + np.uint64(((seed + 1) * _GAMMA) & _64)  # unsigned: it wraps around, as it is meant to
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_MIX_1)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_MIX_2)
    drawn = (mixed ^ (mixed >> np.uint64(31))) >> np.uint64(64 - _BITS)
    return ((drawn >= np.uint64(first)).astype(np.uint8) + (drawn >= np.uint64(second))).astype(np.uint8)


def _bounds(shares: Sequence[float]) -> tuple[int, int]:
    """The lowest draws that belong to validation and to test."""
    if len(shares) != 3 or min(shares) < 0 or abs(sum(shares) - 1) > 1e-9:
        raise ValueError(f"the shares of train, validation and test are three numbers that sum to 1, not {shares}")
    return round(shares[0] * 2**_BITS), round((shares[0] + shares[1]) * 2**_BITS)
