"""What a transformer preset is told: the fields of an entry of transformer_presets.yaml, with their bounds.

Belongs here: those fields. Does not belong here: the fields all products share (`resources/training/recipe.py`), what
the fields do (`transformer_training.py`, `transformer_module.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from resources.training.recipe import Recipe

CODE_VERSION = "1"
"""Of all that decides a checkpoint; a training that was killed does not go on under another one."""


class TransformerRecipe(Recipe):
    """A transformer preset. `zero_shot` reads `base`, `seed` and the fields about validation alone."""

    method: Literal["zero_shot", "fine_tuned"] = Field(
        description="`zero_shot`: the pretrained weights as they are. `fine_tuned`: trained on the corpus' train split."
    )
    base: str = Field(
        "auto",
        min_length=1,
        description=(
            "A causal language model of transformers: a name on the Hugging Face hub or a folder. `auto`: distilgpt2 if"
            " it is cached or can be had, else the model that the extra `language-model` installs."
        ),
    )
    train_tweets: int | None = Field(
        None, ge=1, description="Learn from so many tweets, drawn by the seed; empty: from all of the train split."
    )
    rounds: int = Field(
        1, ge=1, le=1_000, description="Parts an epoch is cut into; after each one the model is validated and saved."
    )
    learning_rate: float = Field(5e-5, gt=0, le=1, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.01, ge=0, le=1, description="AdamW's weight decay; none on biases and norms.")
    warm_up: float = Field(0.06, ge=0, le=0.9, description="Share of the steps in which the learning rate rises.")
    schedule: Literal["linear", "cosine"] = Field("cosine", description="How the learning rate falls to 0 after that.")
    freeze: Literal["none", "embeddings"] = Field(
        "none",
        description="`embeddings`: the vocabulary's vectors stay as they are, with the output layer they are tied to.",
    )
    max_tokens: int = Field(160, ge=8, le=4096, description="A longer tweet is cut to so many tokens in training.")
    validation_tweets: int = Field(2000, ge=1, description="val_loss is over so many tweets of the validation split.")
    rouge_tweets: int = Field(
        100, ge=0, description="val_rouge_l is over greedy completions of so many of them; 0: it is not computed."
    )

    @property
    def is_baseline(self) -> bool:
        return self.method == "zero_shot"

    def counted_in_rounds(self) -> TransformerRecipe:
        """The same with `epochs` as the loop counts them: each round is one."""
        return self.model_copy(update={"epochs": self.epochs * self.rounds})

    @model_validator(mode="after")
    def _fits_together(self) -> TransformerRecipe:
        if self.compile:
            raise ValueError(
                "batches of tweets differ in length: compiling for each of them takes longer than it saves"
            )
        return self
