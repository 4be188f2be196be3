"""A recipe as the Launchpad shows it: each field optional, to change a preset for one run.

Belongs here: the config class made of a recipe. Does not belong here: the fields (`recipe.py`), presets (`presets.py`).
"""

import types
import typing
from enum import Enum
from typing import Any

import dagster as dg
from pydantic import create_model
from pydantic.fields import FieldInfo

from resources.training.recipe import Recipe

_OF_THE_PRESET = {"description", "default_on"}
"""These say what a preset is, not how it trains."""
_DOC = "Changes the preset of this partition for one run; what is left empty stays as presets.yaml has it."


def overrides_of(recipe: type[Recipe]) -> type[dg.Config]:
    """A config class with the recipe's fields, bounds and descriptions, every one of them empty by default."""
    fields: dict[str, Any] = {}
    for name, field in recipe.model_fields.items():
        if name in _OF_THE_PRESET:
            continue
        shown = _shown(name, field.annotation)
        info = FieldInfo(annotation=shown, default=None, description=f"{field.description} Empty: as the preset says.")
        info.metadata = field.metadata
        fields[name] = (typing.Optional[shown], info)  # noqa: UP045  # of a value, not in an annotation
    return create_model(f"{recipe.__name__}Overrides", __base__=dg.Config, __doc__=_DOC, **fields)


def given(overrides: dg.Config) -> dict[str, Any]:
    """The fields that somebody filled in, by name."""
    filled = {name: getattr(overrides, name) for name in type(overrides).model_fields}
    return {name: _plain(value) for name, value in filled.items() if value is not None}


def _shown(name: str, annotation: Any) -> Any:
    """The type without None; of choices an enumeration, because Dagster's config knows no Literal."""
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        [annotation] = [part for part in typing.get_args(annotation) if part is not type(None)]
    if typing.get_origin(annotation) is typing.Literal:
        return Enum(name, {str(choice): choice for choice in typing.get_args(annotation)})
    return annotation


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value
