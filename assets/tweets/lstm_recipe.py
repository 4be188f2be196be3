"""What a training of the LSTM is told: the fields of an entry of lstm_presets.yaml, with their bounds.

Belongs here: those fields, and the version of the code that they are for. Does not belong here: what they do
(`network.py`, `lstm_module.py`, `row_batches.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from resources.training.recipe import Recipe

CODE_VERSION = "1"
"""Of all that decides a checkpoint; a training that was killed does not go on under another one."""


class LstmRecipe(Recipe):
    """A preset. `batch_size` counts rows of packed tweets, `epochs` passes through them.

    Each epoch is trained in `rounds`: log, curves and saved state count these, since each ends with a validation.
    """

    embedding: int = Field(512, ge=8, le=4096, description="Width of the embedding, which is the output's too.")
    hidden: int = Field(1024, ge=8, le=8192, description="Width of each LSTM layer.")
    layers: int = Field(2, ge=1, le=8, description="LSTM layers, one upon the other.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of values set to zero, before, between and after them.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="AdamW's, at its highest; cosine down to zero.")
    warm_up: float = Field(0.02, ge=0, le=0.9, description="Share of all steps in which the learning rate rises.")
    weight_decay: float = Field(0.01, ge=0, le=10, description="AdamW's decoupled decay, of matrices only.")
    rounds: int = Field(
        1, ge=1, le=1000, description="Parts of an epoch after each of which it is validated and the state is saved."
    )
    rows_per_epoch: int | None = Field(
        None, ge=1, description="Rows of an epoch, other ones each time, where there are more; empty: all."
    )
    validation_rows: int = Field(
        4096, ge=1, description="Validation rows after each round, at most; the final figures are of all of them."
    )
    rouge_tweets: int = Field(
        0, ge=0, le=100_000, description="Validation tweets that are completed after each round, for ROUGE-L; 0: none."
    )

    @model_validator(mode="after")
    def _is_not_compiled(self) -> LstmRecipe:
        if self.compile:
            raise ValueError("compile does nothing here: the LSTM's kernels are cuDNN's, which no compiler looks into")
        return self

    def counted_in_rounds(self) -> LstmRecipe:
        """The same with `epochs` as the loop counts them: each round is one."""
        return self.model_copy(update={"epochs": self.epochs * self.rounds})
