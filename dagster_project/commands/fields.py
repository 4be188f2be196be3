"""`--set NAME=VALUE`: fields of the configuration of a product's assets, from the command line.

Belongs here: which asset a field is of, and its value. Does not belong here: which assets a command configures
(`train_sentiment.py`, `train_tweets.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import yaml
from pydantic import ValidationError

from resources.errors import BadInput

Config = dict[str, dict[str, Any]]
"""Values by asset and field."""


def config_of(given: Sequence[str], configs: Mapping[str, type[dg.Config]]) -> Config:
    """`NAME=VALUE` by the first of the assets in `configs` that has such a field; texts as they are, others in YAML.

    Raises: BadInput for a field that none has, and for a value that its field does not take.
    """
    config: Config = {}
    for field in given:
        name, equals, value = field.partition("=")
        asset = next((asset for asset, fields_of in configs.items() if name in fields_of.model_fields), None)
        if not equals or asset is None:
            names = dict.fromkeys(name for fields_of in configs.values() for name in fields_of.model_fields)
            raise BadInput(f"--set {field!r} names no field.", f"Give NAME=VALUE; names are: {', '.join(names)}.")
        config.setdefault(asset, {})[name] = _value(field, configs[asset].model_fields[name].annotation, value)
    for asset, said in config.items():
        try:
            configs[asset](**said)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise BadInput(f"--set {wrong}.", "Correct the value.") from error
    return config


def _value(field: str, kind: Any, value: str) -> Any:
    if kind is str or kind == str | None:
        return value
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise BadInput(f"--set {field!r} is no YAML: {' '.join(str(error).split())}", "Correct the value.") from error
    return {str(key): said for key, said in parsed.items()} if isinstance(parsed, dict) else parsed
