"""Tweets of different lengths packed into rows of one length, so that nearly every position is learned from.

Belongs here: which tweet goes where, and reading rows back. Does not belong here: texts to ids (`bpe.py`), batches of
rows (`row_batches.py`). Pure: NumPy.

A row is `1 + row_length` ids: the end mark, then whole tweets, each with the mark after it, then marks to fill it up.
A model reads all ids but the last and is taught all but the first, so the row has `row_length` targets; how many of
them are tweets' is its `used`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assets.tweets.bpe import END


@dataclass(frozen=True)
class Packed:
    """`rows` int16 (rows, 1 + row_length), `used` int32 (rows,). `cut` tweets did not fit into one row."""

    rows: np.ndarray
    used: np.ndarray
    cut: int

    @property
    def filled(self) -> int:
        """Targets that are there to fill up a row."""
        return int(self.rows[:, 1:].size - self.used.sum())

    @property
    def waste(self) -> float:
        """Their share of all targets; 0 if there is none."""
        return self.filled / max(1, self.rows[:, 1:].size)


def pack(ids: np.ndarray, lengths: np.ndarray, row_length: int, seed: int) -> Packed:
    """Rows of tweets given as `ids` int16 (all tokens) and `lengths` int32 (tweets,), without marks.

    Tweets go by length, the longest first, each into the row where it leaves the least room: best-fit decreasing,
    computed for all tweets of a length at once (as in Krell et al. 2021, arXiv:2107.02027). Which tweet of a length
    goes where, the order in a row and the order of rows are drawn with `seed`. A tweet that is longer than a row is cut
    and goes on at the beginning of the next one; nothing is left out.
    Raises: ValueError if ids hold the mark, or `lengths` do not add up to them.
    """
    if int(lengths.sum()) != len(ids) or (ids == END).any():
        raise ValueError("lengths have to add up to the ids, and no tweet may hold the end mark")
    random = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[:-1]
    needed = lengths.astype(np.int64) + 1  # with its mark
    long, short = np.flatnonzero(needed > row_length), np.flatnonzero(needed <= row_length)
    whole = (needed[long] - 1) // row_length  # rows that a long tweet fills; its last tokens and its mark go on
    rests = np.sort(needed[long] - whole * row_length)
    by_length = short[np.lexsort((random.random(len(short)), -needed[short]))]
    bins = _best_fit(-np.sort(-needed[short]), row_length, rests)

    # A unit is what stays together, in this order: the full rows of a long tweet and the row in which it ends.
    rank = np.lexsort((np.arange(len(long)), needed[long] - whole * row_length))
    long, whole = long[rank], whole[rank]
    units = max(len(long), int(bins.max()) + 1 if len(bins) else 0)
    height = np.ones(units, np.int64)
    height[: len(long)] += whole
    order = random.permutation(units)
    last_row = np.empty(units, np.int64)  # of each unit: the row that has room for short tweets
    last_row[order] = np.cumsum(height[order]) - 1
    rows = np.zeros((int(height.sum()), 1 + row_length), np.int16)
    used = np.zeros(len(rows), np.int32)
    for tweet, row, full in zip(long, last_row[: len(long)] - whole, whole, strict=True):
        own = ids[starts[tweet] : starts[tweet] + lengths[tweet]]
        for part in range(full + 1):
            piece = own[part * row_length : (part + 1) * row_length]
            rows[row + part, 1 : 1 + len(piece)] = piece
            used[row + part] = len(piece) + (1 if part == full else 0)
    _place(rows, used, ids, starts, lengths, by_length, last_row[bins], random)
    return Packed(rows, used, len(long))


def _best_fit(needed: np.ndarray, row_length: int, rests: np.ndarray) -> np.ndarray:
    """The bin of each item, given their sizes in falling order. The first bins have `rests` in them already.

    Bins with the same room are interchangeable, so items of one size go into all of them at once.
    """
    room: dict[int, list[np.ndarray]] = defaultdict(list)
    for size in np.unique(rests):
        room[row_length - int(size)].append(np.flatnonzero(rests == size))
    bins, made, at = np.empty(len(needed), np.int64), len(rests), 0
    sizes, counts = np.unique(-needed, return_counts=True)
    for size, count in zip((-sizes).tolist(), counts.tolist(), strict=True):
        left = count
        while left:
            space = next((space for space in range(size, row_length + 1) if room[space]), None)
            each = (row_length if space is None else space) // size  # so many go into a bin, which then is the fullest
            wanted = -(-left // each)
            if space is None:
                open_ = np.arange(made, made + wanted)
                made += wanted
            else:
                there = room[space].pop()
                open_, spare = there[:wanted], there[wanted:]
                if len(spare):
                    room[space].append(spare)
            filled = np.repeat(open_, each)[:left]
            bins[at : at + len(filled)] = filled
            at, left = at + len(filled), left - len(filled)
            last = len(filled) - each * (len(open_) - 1)  # the last bin may have got fewer
            space = row_length if space is None else space
            room[space - each * size].append(open_[:-1])
            room[space - last * size].append(open_[-1:])
            for key in (space - each * size, space - last * size):
                room[key] = [some for some in room[key] if len(some)]
    return bins


def _place(
    rows: np.ndarray,
    used: np.ndarray,
    ids: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    tweets: np.ndarray,
    row: np.ndarray,
    random: np.random.Generator,
) -> None:
    """Write the tweets into their rows, in an order drawn at random, after what is there; the mark is 0 already."""
    order = np.lexsort((random.random(len(tweets)), row))
    tweets, row = tweets[order], row[order]
    size = lengths[tweets].astype(np.int64)
    ends = np.cumsum(size + 1)
    first = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, bool)
    before = np.maximum.accumulate(np.where(first, ends - (size + 1), 0))  # where the row's first tweet begins
    column = 1 + used[row] + ends - (size + 1) - before
    within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
    flat = rows.reshape(-1)
    flat[np.repeat(row * rows.shape[1] + column, size) + within] = ids[np.repeat(starts[tweets], size) + within]
    np.add.at(used, row, (size + 1).astype(np.int32))


def unpack(rows: np.ndarray, used: np.ndarray) -> Iterator[np.ndarray]:
    """Each tweet of packed rows, ids without the mark, in the order of the rows. A tweet that was cut comes whole."""
    begun: list[np.ndarray] = []
    for row, count in zip(rows, used.tolist(), strict=True):
        own = row[1 : 1 + count]
        ends = np.flatnonzero(own == END)
        start = 0
        for end in ends.tolist():
            yield np.concatenate([*begun, own[start:end]])
            begun, start = [], end + 1
        if start < count:
            begun.append(own[start:])
