"""Reading a product's presets.yaml: named recipes, each a partition of the product's checkpoint.

Belongs here: the names, the recipes, and errors that say in which file and line an entry is wrong. Does not belong
here: which fields a recipe has (`recipe.py`, `assets/<product>/recipe.py`). `keys` alone is used when definitions
load, and needs nothing but PyYAML.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from resources.errors import ScriptoriumError
from resources.store.types import safe_name
from resources.training.recipe import Recipe

R = TypeVar("R", bound=Recipe)

_NO_NAMES = ("champion",)  # where a checkpoint is asked for by name, this word means another thing
_NO_PART = "..."  # Dagster reads it as a range of partitions
_TEXT = "tag:yaml.org,2002:str"
_SHOWN = 60  # characters of a wrong value in a message


class BadPreset(ScriptoriumError):
    """An entry of a presets.yaml, or what was to be changed in one, is not as its recipe wants it."""


def keys(path: Path) -> list[str]:
    """The names in the presets.yaml at `path`, in the order of the file. The fields are not looked at.

    A name becomes a partition key and a file name: 1 to 200 of `A-Z a-z 0-9 . _ ~ -`.
    Raises: BadPreset, which names the file and the line.
    """
    return [name for name, _, _ in _entries(path, _root(path))]


def read(path: Path, recipe: type[R]) -> dict[str, R]:
    """Every preset in the file at `path` by its name, validated by `recipe`.

    Raises: BadPreset, with a line of its message for each thing that is wrong.
    """
    root = _root(path)
    entries = list(_entries(path, root))
    for mapping in _mappings(root):
        _refuse_repeated(path, mapping)
    loader = yaml.SafeLoader("")
    try:
        values = loader.construct_document(root)  # merges (`<<: *other`) are in `root` from here on
    except yaml.YAMLError as error:
        raise _unreadable(path, error) from error
    presets, wrong = {}, []
    for name, key, node in entries:
        if not isinstance(node, yaml.MappingNode):
            wrong.append(f"{_at(path, key)}: {name} is no list of fields, one `name: value` on each line")
            continue
        try:
            presets[name] = recipe.model_validate(values[name])
        except ValidationError as error:
            for detail in error.errors():
                place = _at(path, _find(key, node, detail["loc"]))
                wrong.append(f"{place}: {_said((name, *detail['loc']), detail, recipe)}")
    if wrong:
        raise BadPreset("\n".join(wrong), "Correct the file.")
    return presets


def overridden(preset: R, overrides: Mapping[str, Any]) -> R:
    """`preset` with the fields in `overrides` set to those values, validated as if the file said so.

    A nested mapping changes what it names and leaves its other fields. Raises: BadPreset.
    """
    try:
        return type(preset).model_validate(_merged(preset, overrides))
    except ValidationError as error:
        wrong = "; ".join(_said(detail["loc"], detail, type(preset)) for detail in error.errors())
        remedy = f"The fields are {', '.join(type(preset).model_fields)}."
        raise BadPreset(f"This can't be set: {wrong}.", remedy) from error


def _merged(model: BaseModel, overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = model.model_dump()
    for name, value in overrides.items():
        current = getattr(model, name, None)
        if isinstance(current, BaseModel) and isinstance(value, Mapping):
            value = _merged(current, value)
        merged[name] = value
    return merged


def _root(path: Path) -> yaml.MappingNode:
    """The file as YAML's nodes, which know their lines."""
    try:
        root = yaml.compose(path.read_bytes(), yaml.SafeLoader)
    except OSError as error:
        raise BadPreset(f"{path} can't be read: {error.strerror}.", "Put the file back or make it readable.") from error
    except yaml.YAMLError as error:
        raise _unreadable(path, error) from error
    if root is None:
        raise BadPreset(f"{path}, line 1: there is no preset.", "Add one: a name, a colon, and its fields indented.")
    if not isinstance(root, yaml.MappingNode):
        raise BadPreset(f"{_at(path, root)}: a preset starts with its name and a colon.", "Correct the file.")
    return root


def _unreadable(path: Path, error: yaml.YAMLError) -> BadPreset:
    mark = getattr(error, "problem_mark", None)
    place = f"{path}, line {mark.line + 1}" if mark is not None else str(path)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return BadPreset(f"{place}: this is no YAML: {problem}.", "Correct the file.")


def _entries(path: Path, root: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
    """Name, key node and value node of each preset."""
    _refuse_repeated(path, root)
    folded: dict[str, str] = {}
    for key, value in root.value:
        if key.tag != _TEXT or not isinstance(key, yaml.ScalarNode):
            said = repr(key.value) if isinstance(key, yaml.ScalarNode) else "this"
            raise BadPreset(f"{_at(path, key)}: {said} is read as no text.", "Put the preset's name in quotes.")
        name = str(key.value)
        try:
            safe_name(name)
        except ValueError as error:
            raise BadPreset(f"{_at(path, key)}: {error}.", "Rename the preset.") from error
        if _NO_PART in name or name in _NO_NAMES:
            raise BadPreset(f"{_at(path, key)}: a preset can't be named {name!r}.", "Rename it.")
        if name.casefold() in folded:
            problem = f"{name!r} and {folded[name.casefold()]!r} are one file name on some disks"
            raise BadPreset(f"{_at(path, key)}: {problem}.", "Rename one of them.")
        folded[name.casefold()] = name
        yield name, key, value


def _mappings(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    """Every mapping in the file, once each (an alias may lead back to its own anchor)."""
    seen: set[int] = set()
    waiting: list[yaml.Node] = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            yield node
            waiting.extend(part for pair in node.value for part in pair)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend(node.value)


def _refuse_repeated(path: Path, node: yaml.MappingNode) -> None:
    """PyYAML keeps the last of two equal keys without a word; here they are an error."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        if key.value in lines:
            problem = f"{key.value!r} is there already, in line {lines[key.value]}"
            raise BadPreset(f"{_at(path, key)}: {problem}.", "Remove or rename one of them.")
        lines[key.value] = key.start_mark.line + 1


def _find(key: yaml.Node, node: yaml.Node, location: Sequence[int | str]) -> yaml.Node:
    """The node nearest to pydantic's `location`: the key of a field, the item of a list.

    Parts that the file does not have (a missing field, the branch of a union) are passed over.
    """
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            key = node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            # Merged fields stand before the mapping's own: the last one counts.
            for name, value in reversed(node.value):
                if name.value == str(part):
                    key, node = name, value
                    break
    return key


def _at(path: Path, node: yaml.Node) -> str:
    return f"{path}, line {node.start_mark.line + 1}"


def _said(location: Sequence[int | str], detail: Any, recipe: type[BaseModel]) -> str:
    """One of pydantic's errors as a sentence."""
    name = ".".join(str(part) for part in location)
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), recipe.model_fields, n=1)
        return f"{name}: there is no such field" + (f"; did you mean {near[0]}?" if near else "")
    if detail["type"] == "missing":
        return f"{name}: is missing"
    got = repr(detail["input"])
    got = got if len(got) <= _SHOWN else f"{got[:_SHOWN]}…"
    return f"{name}: {detail['msg']} (got {got})"
