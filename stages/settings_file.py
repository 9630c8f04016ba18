"""YAML files of settings: reading them, merging layers, and errors by field with a suggestion for an unknown key."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

MOST_ERRORS = 20
"""Errors that one message names; further ones are counted."""
LONGEST_NAME = 100
_DICTIONARY = re.compile(r"\ba valid dictionary( or instance of \w+)?")
"""Words of pydantic for what YAML calls a mapping."""
_QUOTED = re.compile(r"'([^']*)'")


class SettingsFileError(ValueError):
    """The file cannot be read as settings; the message names the file."""


def read_settings(path: Path, advice: str) -> dict[str, Any]:
    """Return the mapping in a YAML file; an empty file gives an empty one. Dates and times are text.

    `advice` completes the message for a file that holds something else. Raises `SettingsFileError`.
    """
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)
    except OSError as error:
        raise SettingsFileError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsFileError(f"{path}: is not UTF-8 text") from None
    except RecursionError:
        raise SettingsFileError(f"{path}: is nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None)
        what = problem if isinstance(error, _InvalidError) else f"not valid YAML{f' ({problem})' if problem else ''}"
        raise SettingsFileError(f"{path}{f', line {mark.line + 1}' if mark else ''}: {what}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsFileError(f"{path}: must be a mapping of settings{advice}")
    return content


class _InvalidError(yaml.constructor.ConstructorError):
    """YAML that is not accepted, although the parser accepts it."""

    def __init__(self, problem: str, at: yaml.Node) -> None:
        super().__init__(None, None, problem, at.start_mark)


class _Loader(yaml.SafeLoader):
    """Rejects a key that is set twice, gives the line of a value that cannot be converted, and reads dates as text."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in keys and key.value != "<<":
                raise _InvalidError(f"`{_printable(key.value)}` is set twice", key)
            keys.add(str(key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode) and "\0" in node.value:  # no path may contain it
            raise _InvalidError("a value contains a null character", node)
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError):  # such as the date 2026-13-45
            raise _InvalidError("a value is invalid", node) from None


def _printable(key: object) -> str:
    """Return a key as short text on one line."""
    text = str(key)
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over` in place of its own, section by section."""
    result = dict(base)
    for key, value in over.items():
        current = result.get(key)
        result[key] = merged(current, value) if isinstance(current, Mapping) and isinstance(value, Mapping) else value
    return result


def error_text(
    error: ValidationError | Sequence[ErrorDetails],
    model: type[BaseModel],
    *,
    command: str,
    show_values: bool = False,
) -> str:
    """Return the errors of settings validated as `model`, each by its field, on one line.

    `command` lists all settings; it is named if no setting resembles an unknown one. `show_values` quotes wrong values;
    leave it off if they may be secret.
    """
    found = error.errors(include_url=False) if isinstance(error, ValidationError) else error
    lines = [_line(one, model, command, show_values) for one in found[:MOST_ERRORS]]
    more = len(found) - MOST_ERRORS
    return "; ".join([*lines, f"and {more} more errors"] if more > 0 else lines)


def _line(error: ErrorDetails, model: type[BaseModel], command: str, show_values: bool) -> str:
    name = ".".join(map(_printable, error["loc"]))
    if error["type"] == "extra_forbidden":
        nearest = _nearest(error["loc"], model)
        return f"{name}: unknown; " + (f"did you mean `{nearest}`?" if nearest else f"`{command}` lists all settings")
    message = plain_message(error)
    if error["type"] == "value_error":
        return f"{name}: {message}" if name else message
    value = f" (got {_shown(error['input'])})" if show_values else ""
    meant = _meant(error) if error["type"] == "literal_error" else None
    hint = "" if meant is None else f"; did you mean `{meant}`?"
    return f"{name or 'the file'}: {message}{value}{hint}"


def _shown(value: object) -> str:
    try:
        return f"{reprlib.repr(value):.60}"
    except ValueError:  # an integer with more digits than Python converts
        return "a number of too many digits"


def plain_message(error: ErrorDetails) -> str:
    """Return what is wrong with a value, to follow its name."""
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "must be", 1)
    return _DICTIONARY.sub("a mapping of names to values", message).replace("a valid list", "a list, in brackets: […]")


def _meant(error: ErrorDetails) -> str | None:
    """Return the permitted word that is spelt most like the given one."""
    permitted = _QUOTED.findall(error.get("ctx", {}).get("expected", ""))
    given = error["input"]
    return next(iter(difflib.get_close_matches(given, permitted, 1)), None) if isinstance(given, str) else None


def _nearest(location: Sequence[str | int], model: type[BaseModel]) -> str | None:
    """Return the setting of the same section that is spelt most like an unknown one, or that it abbreviates."""
    sections = [model]
    for step in location[:-1]:
        fields = [field for section in sections for name, field in _fields(section) if name == step]
        # A step that is no field is an index of a list or the tag of a union.
        sections = [inner for field in fields for inner in _sections_in(field.annotation)] or sections
    key, names = str(location[-1]), sorted({name for section in sections for name, _ in _fields(section)})
    similar = difflib.get_close_matches(key, names, 1)
    abbreviated = [name for name in names if name.startswith(key) or key in name.split("_")]
    return next(iter(similar or abbreviated), None)


def _fields(section: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Return a section's fields with their names in the file."""
    return [(field.alias or name, field) for name, field in section.model_fields.items()]


def _sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [section for argument in get_args(annotation) for section in _sections_in(argument)]
