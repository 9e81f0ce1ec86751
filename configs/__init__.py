"""Typed settings: `load(path, overrides)` gives the defaults, changed by a YAML file, changed by KEY=VALUE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from configs.errors import UserError
from configs.schema import Settings

__all__ = ["Settings", "UserError", "load"]


def load(path: Path | None = None, overrides: Iterable[str] = ()) -> Settings:
    """The settings in effect: defaults, then the YAML file, then `section.key=value` overrides in order.

    Values of overrides are read as YAML, so `3`, `true`, `[a, b]` and `text` mean what they say.
    Relative paths in a file count from the file's folder; elsewhere from the working directory.
    Raises UserError naming the file (or --set), the key, the value found and what is allowed.
    """
    tree: dict[str, object] = {}
    if path is not None:
        tree = _read_yaml(path)
        _validate(tree, where=str(path))
        tree = _resolved(tree, path.resolve().parent)
    given = list(overrides)
    for override in given:
        _apply(tree, override)
    return _validate(tree, overrides=given)


def _read_yaml(path: Path) -> dict[str, object]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such settings file; see: python -m configs") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise UserError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: found {type(loaded).__name__}; expected sections like `rag:` with keys below")
    return loaded


def _resolved(tree: dict[str, object], folder: Path) -> dict[str, object]:
    """The tree with relative `path`, `out`, `cache`, `index` and `user_dictionary` counted from `folder`."""

    def walk(value: object, key: str) -> object:
        if isinstance(value, dict):
            return {k: walk(v, str(k)) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(item, key) for item in value]
        if isinstance(value, str) and key in {
            "path",
            "out",
            "cache",
            "index",
            "user_dictionary",
            "tokenizer",
            "adapter",
            "qrels",
            "reasoning",
            "weak",
        }:
            return str((folder / Path(value).expanduser()).resolve())
        return value

    return {key: walk(value, key) for key, value in tree.items()}


def _apply(tree: dict[str, object], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--set {override}: expected KEY=VALUE, for example --set rag.top_k=5")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"--set {override}: the value is not YAML; quote it") from None
    *parents, last = key.strip().split(".")
    branch = tree
    for parent in parents:
        child = branch.setdefault(parent, {})
        if not isinstance(child, dict):
            raise UserError(f"--set {override}: {parent} is a value, not a section")
        branch = child
    branch[last] = value


def _validate(tree: Mapping[str, object], *, where: str = "settings", overrides: Sequence[str] = ()) -> Settings:
    """The tree as settings; a fault is laid at the door of the last override that touches its key."""
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        for override in overrides:
            key = override.partition("=")[0].strip()
            if place.startswith(key) or key.startswith(place):
                where = f"--set {override}"
        raise UserError(f"{where}: {_explain(fault)}") from None


def _explain(detail: ErrorDetails) -> str:
    """One line for one fault: key, value found, what is allowed."""
    location = [str(part) for part in detail["loc"]]
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        allowed = _keys_at(location[:-1])
        near = get_close_matches(location[-1], allowed, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        return f"unknown key {key}{hint}; allowed here: {', '.join(allowed)}"
    return f"{key}: found {detail['input']!r}; {detail['msg']}"


def _keys_at(location: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    models: list[type[BaseModel]] = []
    for part in location:
        field = model.model_fields.get(part)
        if field is not None:
            options = [field.annotation, *get_args(field.annotation)]
            models = [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]
            model = models[0] if models else model
        else:  # an index into a list, or the kind that tells the members of a union apart
            kinds = {
                str(option.model_fields["kind"].default): option for option in models if "kind" in option.model_fields
            }
            model = kinds.get(part, model)
    return sorted(model.model_fields)
