"""How a table of texts is read, where that can't be recognised: what a run may say of it.

Belongs here: these fields of a config. Does not belong here: recognising (`labels.py`, `resources/text/columns.py`).
"""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field, field_validator

if TYPE_CHECKING:
    from assets.sentiment.labels import Options

AUTO = "auto"
_MEANINGS = ("negative", "positive", "neutral")


class ReadingConfig(dg.Config):
    """What is not recognised but taken from here, if it is given."""

    text_column: str | None = Field(
        default=None,
        description="Column of the texts: its name in the header, or its number from 1. Empty: recognised.",
    )
    label_column: str | None = Field(default=None, description="Column of the labels, as above. Empty: recognised.")
    labels: dict[str, str] = Field(
        default_factory=dict,
        description='What the labels mean, such as {"0": "negative", "1": "neutral", "2": "positive"}; neutral rows are'
        " left out of what is learned and judged. Empty: recognised.",
    )
    encoding: str = Field(
        default=AUTO, min_length=1, description="The file's encoding, such as utf-8 or latin-1; `auto`: recognised."
    )
    header: bool | None = Field(
        default=None, description="Whether the first row has the columns' names. Empty: recognised."
    )

    @field_validator("labels")
    @classmethod
    def _are_known(cls, labels: dict[str, str]) -> dict[str, str]:
        if odd := sorted(set(labels.values()) - set(_MEANINGS)):
            raise ValueError(f"a label means {', '.join(_MEANINGS)}, not {', '.join(odd)}")
        return labels

    def options(self) -> "Options":
        """The same for who reads."""
        from assets.sentiment.labels import Options

        return Options(
            text_column=self.text_column,
            label_column=self.label_column,
            encoding=self.encoding,
            header=self.header,
            labels=self.labels,
        )
