"""Typed settings: `load(path, overrides)` gives the defaults, changed by a YAML file, changed by KEY=VALUE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

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
    for override in overrides:
        _apply(tree, override)
        _validate(tree, where=f"--set {override}")
    return _validate(tree, where="settings")


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
        if isinstance(value, str) and key in {"path", "out", "cache", "index", "user_dictionary", "tokenizer"}:
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


def _validate(tree: Mapping[str, object], *, where: str) -> Settings:
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise UserError(f"{where}: {_explain(error.errors()[0])}") from None


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
    for part in location:
        field = model.model_fields.get(part)
        if field is None:  # an index into a list: the keys are those of its items
            continue
        options = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), model)
    return sorted(model.model_fields)
