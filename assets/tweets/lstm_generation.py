"""Using a trained `TweetLSTM`: what comes next, and whole completions.

Belongs here: these, for many tweets at once. Does not belong here: texts (`bpe.py`), how likely given tweets are
(`scoring.py`). Pure: torch; transformers for sampling.

Models are in `eval` mode. Tweets and prefixes are ids without the end mark; the one before them is added here. Prefixes
of unequal length are filled up on the right and their filling is never read, so that a prefix's neighbours don't matter
to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from assets.tweets.bpe import END
from assets.tweets.network import State, TweetLSTM

Ids = Sequence[int]


@dataclass(frozen=True)
class Sampling:
    """Draw each token, from the smallest set of the likeliest ones that holds `top_p` of the probability."""

    temperature: float = 0.8
    top_p: float = 0.9
    seed: int = 0


@torch.inference_mode()
def read(model: TweetLSTM, prefixes: Sequence[Ids]) -> tuple[Tensor, State]:
    """Log-probabilities of the token after each prefix, float32 (n, vocabulary), and the states to go on from.

    An empty prefix asks for the first token of a tweet.
    """
    ids, lengths = _filled(prefixes, model.embedding.weight.device)
    hidden, state = model(ids, lengths=lengths)
    last = hidden[torch.arange(len(ids), device=ids.device), lengths.to(ids.device) - 1]
    return _log_probabilities(model, last), state


@torch.inference_mode()
def step(model: TweetLSTM, tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """The same after one more token of each row, int64 (n,)."""
    hidden, state = model(tokens[:, None], state)
    return _log_probabilities(model, hidden[:, 0]), state


def generate(
    model: TweetLSTM,
    prefixes: Sequence[Ids],
    *,
    most: int | Sequence[int],
    sampling: Sampling | None = None,
    batch_size: int = 256,
) -> list[list[int]]:
    """The continuation of each prefix, without the end mark: up to it, or to `most` tokens (of all, or of each).

    Greedy without `sampling`. The random numbers of a prefix depend on the seed, its place among `prefixes` and the
    highest limit alone, not on the batches.
    """
    limits = [most] * len(prefixes) if isinstance(most, int) else list(most)
    if len(limits) != len(prefixes):
        raise ValueError(f"{len(prefixes)} prefixes, but {len(limits)} limits")
    noise = None
    if sampling is not None:
        generator = torch.Generator().manual_seed(sampling.seed)
        noise = torch.rand(len(prefixes), max([0, *limits]), generator=generator, dtype=torch.float64)
    continued: list[list[int]] = []
    for some in _batches(len(prefixes), batch_size):
        of_batch = None if noise is None else noise[some]
        continued += _generated(model, prefixes[some], limits[some], sampling, of_batch)
    return continued


def _generated(
    model: TweetLSTM, prefixes: Sequence[Ids], limits: Sequence[int], sampling: Sampling | None, noise: Tensor | None
) -> list[list[int]]:
    out: list[list[int]] = [[] for _ in prefixes]
    longest = max([0, *limits])
    if longest == 0:
        return out
    logs, state = read(model, prefixes)
    under_way = list(range(len(prefixes)))
    for number in range(longest):
        if sampling is None or noise is None:
            tokens = logs.argmax(-1)
        else:
            tokens = _drawn(logs, sampling, noise[under_way, number])
        going: list[int] = []  # places in this batch, of what goes on
        for place, (i, token) in enumerate(zip(under_way, tokens.tolist(), strict=True)):
            if token != END and number < limits[i]:
                out[i].append(token)
                if number + 1 < limits[i]:
                    going.append(place)
        if not going:
            return out
        if len(going) < len(under_way):  # those that have ended cost nothing more
            under_way = [under_way[place] for place in going]
            kept = torch.tensor(going, device=tokens.device)
            tokens, state = tokens[kept], (state[0][:, kept].contiguous(), state[1][:, kept].contiguous())
        logs, state = step(model, tokens, state)
    return out


def _drawn(logs: Tensor, sampling: Sampling, noise: Tensor) -> Tensor:
    """One token of each row, int64 (n,), by inverting its distribution function at `noise`, uniform in [0, 1)."""
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopPLogitsWarper

    nothing = torch.zeros(0, dtype=torch.long)  # the tokens before, which these two do not look at
    scores = TemperatureLogitsWarper(sampling.temperature)(nothing, logs)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(nothing, scores)
    # In float64, where the last step of the sum lies above any number below 1: a token of probability 0 is never drawn.
    scores = scores.cpu() if scores.device.type == "mps" else scores  # which has no float64
    below = scores.double().softmax(-1).cumsum(-1)
    wanted = noise.to(below.device)[:, None] * below[:, -1:]
    return torch.searchsorted(below, wanted, right=True)[:, 0].to(logs.device)


def _log_probabilities(model: TweetLSTM, hidden: Tensor) -> Tensor:
    return model.logits(hidden).float().log_softmax(-1)


def _filled(tweets: Sequence[Ids], device: torch.device) -> tuple[Tensor, Tensor]:
    """The mark and the ids of each, int64 (n, longest), filled up on the right; how many, int64 (n,) on the CPU."""
    rows = [torch.tensor([END, *ids], dtype=torch.long) for ids in tweets]
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.long)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=END).to(device), lengths


def _batches(count: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, count, size))
