"""What a preset of the housing product may say.

Belongs here: the fields of one entry of presets.yaml, with their bounds. Does not belong here: what is done with them
(`network.py`, `baselines.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from resources.training.recipe import Recipe

Model = Literal["ensemble", "mean", "least_squares", "gradient_boosting", "gaussian_process"]


class HousingRecipe(Recipe):
    """One entry of presets.yaml. Fields of another model than `model` are not looked at."""

    model: Model = Field(description="What is fitted: the networks, or one of the baselines.")

    # Of `ensemble`. An epoch goes once through the train rows of every split; all networks take each step together.
    members: int = Field(6, ge=1, le=200, description="Networks per split; their predictions are averaged.")
    hidden: list[Annotated[int, Field(ge=1, le=2048)]] = Field(
        [128], min_length=1, max_length=6, description="Widths of the hidden layers."
    )
    bins: int = Field(
        4, ge=0, le=64, description="Bins of each column's piecewise linear encoding, beside its value; 0: none."
    )
    learning_rate: float = Field(3e-3, gt=0, le=1, description="AdamW's, at its highest; cosine down to zero.")
    weight_decay: float = Field(1e-2, ge=0, le=10, description="AdamW's decoupled weight decay.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of hidden values set to zero while training.")
    keep_epoch: Literal["last", "best_on_validation"] = Field(
        "last",
        description="Which epoch's weights a network keeps: the last one's, or those of its own lowest val_loss. The"
        " latter makes the validation scores, by which models are compared, too good.",
    )

    # Of `gradient_boosting`.
    trees: int = Field(500, ge=1, le=10_000, description="Number of trees.")
    depth: int = Field(4, ge=1, le=12, description="Depth of a tree.")
    shrinkage: float = Field(0.05, gt=0, le=1, description="Factor on each tree's correction.")
    row_share: float = Field(0.6, gt=0, le=1, description="Share of rows each tree sees.")
    column_share: float = Field(0.4, gt=0, le=1, description="Share of columns each cut may choose from.")

    # Of `gaussian_process`.
    kernel: Literal["rational_quadratic", "rbf"] = Field("rational_quadratic", description="Shape of the covariance.")
    own_scales: bool = Field(False, description="A length scale per column (`rbf` only) instead of one for all.")

    @property
    def is_baseline(self) -> bool:
        return self.model != "ensemble"

    @model_validator(mode="after")
    def _is_not_compiled(self) -> HousingRecipe:
        if self.compile:
            raise ValueError("compile does nothing here: the networks are one batched computation already")
        return self
