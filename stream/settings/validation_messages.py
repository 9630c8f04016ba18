"""Messages for settings that fail validation: where the error is, what is wrong, and the nearest known key."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError


def describe(error: ValidationError, root: type[BaseModel]) -> str:
    """Return one message for each error, separated by `; `. Values are never quoted: they may be secret."""
    return "; ".join(_message(fault, root) for fault in error.errors(include_url=False, include_input=False))


def _message(fault: Any, root: type[BaseModel]) -> str:
    place: tuple[str | int, ...] = fault["loc"]
    text = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        text = "unknown" + _suggestion(str(place[-1]), _keys(root, place[:-1]))
    return ": ".join(filter(None, (".".join(map(str, place)), text)))


def _suggestion(key: str, known: Sequence[str]) -> str:
    """Suggest the key that is spelt most like this one, or that this one abbreviates."""
    near = difflib.get_close_matches(key, known, 1) or [
        name for name in known if name.startswith(key) or key in name.split("_")
    ]
    return f"; did you mean `{near[0]}`?" if near else "; `partstream config schema` lists all settings"


def _keys(root: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """Return the keys of the section at this place; none if there is no section."""
    section: type[BaseModel] | None = root
    for step in place:
        if isinstance(step, str) and section is not None:
            field = section.model_fields.get(step)
            section = _section_in(field.annotation) if field is not None else None
    return list(section.model_fields) if section is not None else []


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that an annotation such as `list[CameraConfig]` or `RecordingConfig | None` contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _section_in(argument)) is not None), None)
