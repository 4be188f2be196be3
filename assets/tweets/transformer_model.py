"""A causal transformer asked for hidden states, for what comes next, and for whole completions.

Belongs here: what every use of the network shares, trained or not. Does not belong here: where weights come from
(`resources/text/causal.py`), the loss (`transformer_module.py`), texts (`language_models.py`). Pure: torch and
transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from assets.tweets.lstm_generation import Sampling

_ROWS = 32
"""Prefixes that are completed at once on a CPU; on a GPU eight times as many."""


class TransformerModel(nn.Module):
    """A model of transformers, taken apart into the network without its head and the head.

    Whether the two give the model's own logits is asked once, on a few tokens: a head that does more than multiply (and
    cap, as Gemma 2's) is then asked through the whole model.
    """

    def __init__(
        self, network: Any, begin: int, end: int, line_ends: Sequence[int] = (), controls: Sequence[int] = ()
    ) -> None:
        """`begin` stands before every tweet, `end` after it; `line_ends` are tokens that end one as well, since a tweet
        is a single line. `controls` are never written: they stand for pictures, turns of a talk and the like.
        """
        super().__init__()
        self.network = network
        self.begin, self.end = begin, end
        self.ends = tuple(dict.fromkeys([end, *line_ends]))
        self.never = sorted(set(controls) - set(self.ends))
        self.vocabulary = int(network.get_output_embeddings().weight.shape[0])
        self.context: int | None = getattr(network.config, "max_position_embeddings", None)
        """Tokens that it has places for; None where no number limits them."""
        self._cap = getattr(network.config, "final_logit_softcapping", None)
        self._apart = self._comes_apart()

    @property
    def device(self) -> str:
        return str(next(self.network.parameters()).device)

    def hidden(self, ids: Tensor) -> Tensor:
        """ids int64 (rows, steps) → what `logits` takes, (rows, steps, width); rows are filled up on the right only."""
        if not self._apart:
            whole: Tensor = self.network(input_ids=ids, use_cache=False).logits
            return whole
        last: Tensor = self.network.base_model(input_ids=ids, use_cache=False).last_hidden_state
        return last

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, width) → (…, vocabulary): unnormalised log-probabilities of the next token."""
        if not self._apart:
            return hidden
        scores: Tensor = self.network.get_output_embeddings()(hidden)
        return scores if self._cap is None else torch.tanh(scores / self._cap) * self._cap

    def _comes_apart(self) -> bool:
        ids = torch.tensor([[self.begin, self.end, self.begin]], device=self.device)
        training = self.network.training
        self.network.eval()
        self._apart = True
        with torch.inference_mode():
            whole = self.network(input_ids=ids, use_cache=False).logits
            taken = self.logits(self.hidden(ids))
        self.network.train(training)
        return bool(whole.shape == taken.shape and torch.allclose(whole, taken, atol=1e-4, rtol=1e-4))

    @torch.inference_mode()
    def read(self, prefixes: Sequence[Sequence[int]]) -> tuple[Tensor, Any]:
        """Log-probabilities of the token after each prefix, float32 (n, vocabulary), and the cache to go on from.

        Prefixes are of one length, so that none needs to be filled up; the mark before them is added. Of long ones the
        end is read.
        """
        ids = torch.tensor([self._marked(prefix) for prefix in prefixes], device=self.device)
        out = self.network(input_ids=ids, use_cache=True, logits_to_keep=1)
        return out.logits[:, -1].float().log_softmax(-1), out.past_key_values

    def _marked(self, prefix: Sequence[int]) -> list[int]:
        """The prefix after the mark, in half of the context at most: the other half is for what follows."""
        if self.context is not None:
            prefix = prefix[max(0, len(prefix) + 1 - self.context // 2) :]
        return [self.begin, *prefix]

    @torch.inference_mode()
    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The same after one more token of each row, int64 (n,). The cache is used up."""
        out = self.network(input_ids=tokens[:, None], past_key_values=state, use_cache=True)
        return out.logits[:, -1].float().log_softmax(-1), out.past_key_values

    def select(self, state: Any, rows: Tensor) -> Any:
        """The cache of these rows, some of them several times."""
        state.reorder_cache(rows)
        return state

    def generate(
        self,
        prefixes: Sequence[Sequence[int]],
        *,
        most: Sequence[int],
        most_words: Sequence[int] | None = None,
        begins_word: Tensor | None = None,
        sampling: Sampling | None = None,
        batch_size: int | None = None,
        told: Callable[[int], object] = lambda done: None,
    ) -> list[list[int]]:
        """The continuation of each prefix, without what ends it: at most `most[i]` tokens, and half of the context.

        With `most_words` it also ends before the word after the last one that is wanted begins; `begins_word`, bool
        (vocabulary,), says of which tokens that is so. Greedy without `sampling`. Prefixes of like length go through
        the network together, filled up on the left; what is drawn depends on the seed and on the prefixes beside it.
        """
        size = batch_size or (_ROWS if self.device == "cpu" else 8 * _ROWS)
        order = sorted(range(len(prefixes)), key=lambda row: (len(prefixes[row]), row))
        continued: list[list[int]] = [[] for _ in prefixes]
        devices = [self.device] if self.device.startswith("cuda") else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(sampling.seed if sampling else 0)
            for at in range(0, len(order), size):
                some = order[at : at + size]
                words = None if most_words is None else [most_words[row] for row in some]
                made = self._generated(
                    [prefixes[row] for row in some], [most[row] for row in some], words, begins_word, sampling
                )
                for row, tokens in zip(some, made, strict=True):
                    continued[row] = tokens
                told(min(at + size, len(order)))
        return continued

    def _generated(
        self,
        prefixes: Sequence[Sequence[int]],
        most: Sequence[int],
        most_words: Sequence[int] | None,
        begins_word: Tensor | None,
        sampling: Sampling | None,
    ) -> list[list[int]]:
        from transformers import GenerationConfig, StoppingCriteriaList

        if max(most) < 1:
            return [[] for _ in prefixes]
        given = [self._marked(prefix) for prefix in prefixes]
        width = max(map(len, given))
        ids = torch.full((len(given), width), self.end, dtype=torch.int64)
        seen = torch.zeros_like(ids)
        for place, row in enumerate(given):
            ids[place, width - len(row) :] = torch.tensor(row)
            seen[place, width - len(row) :] = 1
        # All of it is said here: what a released model recommends for itself must not make two models incomparable.
        config = GenerationConfig(
            max_new_tokens=min(max(most), self.context // 2) if self.context else max(most),
            do_sample=sampling is not None,
            num_beams=1,
            eos_token_id=list(self.ends),
            pad_token_id=self.end,
            bos_token_id=self.begin,
            suppress_tokens=self.never or None,
            **({} if sampling is None else _drawing(sampling)),
        )
        criteria = StoppingCriteriaList()
        if most_words is not None and begins_word is not None:
            criteria.append(_WordsDone(width, most_words, begins_word.to(self.device), self.device))
        released = self.network.generation_config
        self.network.generation_config = GenerationConfig()
        try:
            with torch.inference_mode():
                out = self.network.generate(
                    ids.to(self.device),
                    attention_mask=seen.to(self.device),
                    generation_config=config,
                    stopping_criteria=criteria,
                )
        finally:
            self.network.generation_config = released
        return [self._until_end(row[:limit]) for row, limit in zip(out[:, width:].tolist(), most, strict=True)]

    def _until_end(self, tokens: list[int]) -> list[int]:
        places = [place for place, token in enumerate(tokens) if token in self.ends]
        return tokens[: places[0]] if places else tokens


def _drawing(sampling: Sampling) -> dict[str, float | int]:
    return {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}


class _WordsDone:
    """A stopping criterion of transformers: a row is done where one word more has begun than it may have."""

    def __init__(self, width: int, most_words: Sequence[int], begins_word: Tensor, device: str) -> None:
        self._width, self._begins = width, begins_word
        self._most = torch.tensor(most_words, device=device)

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        return self._begins[input_ids[:, self._width :]].sum(1) > self._most
