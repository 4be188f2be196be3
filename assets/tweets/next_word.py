"""The likeliest next words of a prefix: a beam search over tokens until a word ends.

Belongs here: that search. Does not belong here: models (`language_models.py`), counting hits (`metrics.py`). Pure:
torch.

A word is what stands between two spaces, and may be several tokens. Its probability is that of its tokens, of which the
first has a space before it, times that of a token after them which begins another word or ends the tweet. Of the many
ways to spell a word the beam follows the likeliest, and adds up those that it meets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from assets.tweets.chunked_loss import LOGITS
from assets.tweets.language_models import LanguageModel

_WIDTH = 8
"""Hypotheses that are followed at once for each prefix."""
_LONGEST = 10
"""Tokens of a word, at most."""
_NEVER = -math.inf


def next_words(
    model: LanguageModel,
    prefixes: Sequence[str],
    count: int = 3,
    width: int = _WIDTH,
    told: Callable[[int], object] = lambda done: None,
) -> list[list[tuple[str, float]]]:
    """The `count` likeliest next words of each prefix and their log-probabilities, the likeliest first; fewer where no
    more are found. `told` gets the number of prefixes done.
    """
    given = model.encode(prefixes)
    lengths: dict[int, list[int]] = {}
    for row, ids in enumerate(given):
        lengths.setdefault(len(ids), []).append(row)
    at_once = max(1, LOGITS // (width * model.vocabulary))
    found: list[list[tuple[str, float]]] = [[] for _ in prefixes]
    done = 0
    for _, rows in sorted(lengths.items()):
        for at in range(0, len(rows), at_once):
            some = rows[at : at + at_once]
            for row, words in zip(some, _search(model, [given[row] for row in some], count, width), strict=True):
                found[row] = words
            done += len(some)
            told(done)
    return found


@torch.inference_mode()
def _search(model: LanguageModel, given: list[list[int]], count: int, width: int) -> list[list[tuple[str, float]]]:
    rows, vocabulary = len(given), model.vocabulary
    device = model.begins_word.device
    logs, state = model.read(given)
    first = logs.masked_fill(~model.begins_word, _NEVER).topk(min(width, vocabulary), dim=1)
    scores, last = first.values, first.indices  # (rows, width)
    width = scores.shape[1]
    spelled = last[:, :, None]  # (rows, width, tokens so far)
    base = torch.arange(rows, device=device)[:, None]
    state = model.select(state, base.expand(rows, width).flatten())
    words: list[dict[str, float]] = [{} for _ in given]
    befores = model.decode(given)
    for length in range(_LONGEST):
        logs, state = model.step(last.flatten(), state)
        logs = logs.view(rows, width, vocabulary)
        ended = scores + logs[:, :, model.ends_word].logsumexp(2)
        _note(words, model, given, befores, spelled, ended)
        going = (scores[:, :, None] + logs.masked_fill(model.ends_word, _NEVER)).flatten(1).topk(width, dim=1)
        least = torch.tensor([_least(of_row, count) for of_row in words], device=device)
        # A longer word is never likelier than its beginning: what is below the last wanted word can't come in any more.
        if length + 1 == _LONGEST or bool((going.values[:, 0] <= least).all()):
            break
        scores = going.values
        parents, last = going.indices // vocabulary, going.indices % vocabulary
        spelled = torch.cat([spelled.gather(1, parents[:, :, None].expand(-1, -1, length + 1)), last[:, :, None]], 2)
        state = model.select(state, (base * width + parents).flatten())
    return [sorted(of_row.items(), key=lambda item: (-item[1], item[0]))[:count] for of_row in words]


def _note(
    words: list[dict[str, float]],
    model: LanguageModel,
    given: list[list[int]],
    befores: list[str],
    spelled: torch.Tensor,
    ended: torch.Tensor,
) -> None:
    """Add what is spelled so far, as words that end here, with their log-probabilities."""
    for row, (tokens, values) in enumerate(zip(spelled.tolist(), ended.tolist(), strict=True)):
        texts = model.decode([[*given[row], *each] for each in tokens])
        for text, value in zip(texts, values, strict=True):
            word = text[len(befores[row]) :].strip()
            if value > _NEVER and word and len(word.split()) == 1:
                words[row][word] = _added(words[row].get(word, _NEVER), value)


def _added(one: float, other: float) -> float:
    """log(exp(one) + exp(other))."""
    high, low = max(one, other), min(one, other)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def _least(words: dict[str, float], count: int) -> float:
    """The log-probability of the last of the `count` likeliest words; below all others while there are fewer."""
    best = sorted(words.values(), reverse=True)
    return best[count - 1] if len(best) >= count else _NEVER
