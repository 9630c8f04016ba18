"""YAML files of settings: reading them, merging layers, and errors by field with a suggestion for an unknown key."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


class SettingsFileError(ValueError):
    """The file cannot be read as settings; the message names the file."""


def read_settings(path: Path, advice: str) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file gives an empty one.

    `advice` completes the message for a file that holds something else. Raises `SettingsFileError`.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsFileError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsFileError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise SettingsFileError(f"{path}{f', line {mark.line + 1}' if mark else ''}: not valid YAML") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsFileError(f"{path}: must be a mapping of settings{advice}")
    return content


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over` in place of its own, section by section."""
    result = dict(base)
    for key, value in over.items():
        current = result.get(key)
        result[key] = merged(current, value) if isinstance(current, Mapping) and isinstance(value, Mapping) else value
    return result


def error_text(error: ValidationError, model: type[BaseModel], *, command: str, show_values: bool = False) -> str:
    """Return all errors of settings validated as `model`, each by its field.

    `command` lists all settings; it is named if no setting resembles an unknown one. `show_values` quotes wrong values;
    leave it off if they may be secret.
    """
    return "; ".join(_line(one, model, command, show_values) for one in error.errors(include_url=False))


def _line(error: ErrorDetails, model: type[BaseModel], command: str, show_values: bool) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        nearest = _nearest(error["loc"], model)
        return f"{name}: unknown; " + (f"did you mean `{nearest}`?" if nearest else f"`{command}` lists all settings")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return f"{name}: {message}" if name else message
    value = f" (got {error['input']!r:.60})" if show_values else ""
    return f"{name or 'the file'}: {message}{value}"


def _nearest(location: Sequence[str | int], model: type[BaseModel]) -> str | None:
    """Return the setting of the same section that is spelt most like an unknown one, or that it abbreviates."""
    sections = [model]
    for step in location[:-1]:
        fields = [section.model_fields[step] for section in sections if step in section.model_fields]
        # A step that is no field is an index of a list or the tag of a union.
        sections = [inner for field in fields for inner in _sections_in(field.annotation)] or sections
    key, names = str(location[-1]), sorted({name for section in sections for name in section.model_fields})
    similar = difflib.get_close_matches(key, names, 1)
    abbreviated = [name for name in names if name.startswith(key) or key in name.split("_")]
    return next(iter(similar or abbreviated), None)


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections_in(argument)]
