"""The card of a housing checkpoint: what predictions need besides the weights.

Belongs here: its fields. Does not belong here: how they are used (`predicting.py`). Pure: pydantic alone.
"""

from __future__ import annotations

from resources.training.documents import Card


class HousingCard(Card):
    """What a model was made of and how its prices are read.

    `model`, `members`, `hidden` and `depth` are the recipe's, and all of it that predictions need: recipes change with
    the code, and what a card says must not.
    `columns` are those the model is given, `units` their units, `dropped` columns of the files that it never sees.
    `lowest` and `highest` are the range of each column over all rows of the dataset: outside it the model guesses.
    `target` is the column that is predicted, in `target_unit`.
    `level` is the share of prices that the interval is meant to hold; `residuals` are quantiles, by their level, of the
    validation rows' |log price - log prediction| divided by what the model says of its own unsureness.
    """

    model: str
    members: int
    hidden: tuple[int, ...]
    depth: int
    columns: tuple[str, ...]
    units: tuple[str, ...]
    dropped: tuple[str, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    target: str
    target_unit: str
    splits: int
    level: float
    residuals: dict[str, float]
