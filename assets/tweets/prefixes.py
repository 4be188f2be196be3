"""Cutting a tweet into what is given to a model and what it is to find: by words, alike for every model.

Belongs here: that cut, how long a completion may be, and how it is scored against the rest by ROUGE. Does not belong
here: other scores, generating. Pure: the standard library; rouge_score when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SHARE = 0.75
"""Of a tweet's words, rounded down: the rest is what the replaced project completed."""
EXTRA_WORDS = 3
"""A completion may have so many words more than what it is compared with."""
FEWEST_WORDS = 4
"""Shorter tweets can't be cut at three quarters."""
_TOKENS_PER_WORD, _MORE_TOKENS = 4, 8
"""A word has 1.2 to 1.5 tokens; so many are waited for before a completion of so many words is given up."""


def cut(text: str, share: float = SHARE) -> tuple[str, str] | None:
    """The first words of a cleaned tweet, and the rest, which begins with its space; None if there are too few words.

    Byte-level tokens never reach over a space's left side, so the tokens of both parts are those of the whole.
    """
    words = text.split(" ")
    if len(words) < FEWEST_WORDS:
        return None
    given = min(max(1, int(share * len(words))), len(words) - 1)
    return " ".join(words[:given]), " " + " ".join(words[given:])


def most_tokens(words: int) -> int:
    """How many tokens a completion of at most so many words may have, whatever the tokenizer."""
    return _TOKENS_PER_WORD * words + _MORE_TOKENS


def rouge(
    references: Sequence[str], completions: Sequence[str], names: Sequence[str] = ("rouge1", "rouge2", "rougeL")
) -> dict[str, list[float]]:
    """ROUGE's F1 of each completion against its reference by name, with `rouge_score`'s own words and no stemmer."""
    from rouge_score import rouge_scorer

    scorer: Any = rouge_scorer.RougeScorer(list(names), use_stemmer=False)
    each = [scorer.score(wanted, given) for wanted, given in zip(references, completions, strict=True)]
    return {name: [float(scores[name].fmeasure) for scores in each] for name in names}
