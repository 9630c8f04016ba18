"""Rules files: reading one, and checking its names against those of a checkpoint and of the cameras."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.packaged_checkpoints import checkpoint_file
from stages.settings_file import MOST_ERRORS, SettingsFileError, error_text, read_settings
from stages.third_party.weights import WeightsError
from stages.vocabulary import Vocabulary
from stream.rules.signals import ANY_OBJECT
from stream.settings.conditions import ActionName, Condition
from stream.settings.config_error import ConfigError
from stream.settings.rules import RuleConfig, RulesConfig

SCHEMA_COMMAND = "partstream rules schema"
HANDS = ("left_hand", "right_hand")
_NAME_PATTERN: str = get_args(ActionName)[1].pattern
_MOST_COMPARED = 256
"""Names among which the nearest is looked for; a comparison takes about 50 µs."""
_MOST_LISTED = 60
"""Names that a message lists."""


@dataclass(frozen=True, slots=True)
class CheckpointNames:
    """The names that a checkpoint's model publishes: its vocabulary, and the objects; None if those are not known."""

    vocabulary: Vocabulary
    objects: tuple[str, ...] | None


class Places(NamedTuple):
    """The names of a camera's zones and lines."""

    zones: Collection[str]
    lines: Collection[str]


def load_rules(path: Path) -> RulesConfig:
    """Read a rules file. Raises `ConfigError` that names the file and every error by its field."""
    if path.exists() and not path.is_file():  # opening a pipe would wait for its writer
        raise ConfigError(f"{path}: is not a file")
    try:
        content = read_settings(path, ", for example `rules: {…}`")
    except SettingsFileError as error:
        raise ConfigError(str(error)) from None
    if "cameras" in content and "rules" not in content:
        raise ConfigError(f"{path}: is a configuration of the engine, which names its rules file in `rules_file`")
    try:
        return RulesConfig.model_validate(content)
    except ValidationError as error:
        found = [_worded(one) for one in error.errors(include_url=False)]
        text = error_text(found, RulesConfig, command=SCHEMA_COMMAND, show_values=True)
        raise ConfigError(f"{path}: {text}") from None


def rules_schema() -> dict[str, Any]:
    """Return the JSON Schema of rules files (draft 2020-12)."""
    schema = RulesConfig.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "partstream rules file"}


def stored_names(profile: str) -> CheckpointNames:
    """Read the names from a profile's or a path's checkpoint, without its tensors.

    Raises `WeightsError` if the file is missing or its metadata cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    with checkpoint_file(profile) as path:
        if not path.is_file():
            raise WeightsError(f"{path}: there is no such checkpoint; `partstream train` makes one")
        try:
            with safe_open(os.fspath(path), framework="numpy") as file:
                metadata = file.metadata() or {}
            vocabulary = Vocabulary.from_json(metadata.get("vocabulary", ""), "vocabulary")
        except (SafetensorError, OSError, ValueError, RecursionError) as error:
            raise WeightsError(f"{path}: not a checkpoint, or damaged ({error})") from None
    # Without a detector of its own, the checkpoint uses MoveNet with NanoDet.
    objects = None if "detector" in metadata else tuple(name for name in CLASS_NAMES if name != "person")
    return CheckpointNames(vocabulary, objects)


def check_names(rules: RulesConfig, known: CheckpointNames, origin: str) -> None:
    """Raise `ConfigError` that names `origin` and every name that the checkpoint does not know, by its field."""
    if errors := name_errors(rules, known):
        more = [f"and {len(errors) - MOST_ERRORS} more errors"] if len(errors) > MOST_ERRORS else []
        raise ConfigError(f"{origin}: {'; '.join([*errors[:MOST_ERRORS], *more])}")


def name_errors(rules: RulesConfig, known: CheckpointNames) -> list[str]:
    """Return an error for each part, state, object and action that the checkpoint does not know, by its field.

    A written action with the name of one of the model's is an error, too.
    """
    errors = [
        f"actions.{name}: the model has an action of this name; choose another"
        for name in rules.actions
        if name in known.vocabulary.actions
    ]
    actions = [*known.vocabulary.actions, *rules.actions]
    for name, action in rules.actions.items():
        for path, condition in action.walk(f"actions.{name}"):
            errors += _condition_errors(path, condition, known, actions)
    for name, rule in rules.rules.items():
        errors += [
            error
            for action in rule.actions
            if (error := _unknown(f"rules.{name}.action", "action", action, actions, "actions"))
        ]
    return errors


def place_warnings(rules: RulesConfig, cameras: Mapping[str, Places]) -> list[str]:
    """Return a warning for each camera, zone and line of a rule that the configured cameras do not have, by its field.

    `cameras`: the zones and lines of each camera. These are no errors, because cameras, zones and lines may be added
    while the engine runs; until then such a rule raises no alert.
    """
    warnings: list[str] = []
    for name, rule in rules.rules.items():
        if len(warnings) >= MOST_ERRORS:
            return [*warnings[:MOST_ERRORS], "and more"]
        field = f"rules.{name}"
        found = [_unknown(f"{field}.cameras", "camera", camera, cameras, "cameras") for camera in rule.cameras or ()]
        of = [places for camera, places in cameras.items() if rule.cameras is None or camera in rule.cameras]
        zones = sorted({zone for places in of for zone in places.zones})
        lines = sorted({line for places in of for line in places.lines})
        for where, kind, place in places_of(rule):
            there, other = (lines, zones) if kind == "line" else (zones, lines)
            if place not in there and place in other:
                found.append(f"{field}.{where}: {place} is not a {kind}, but a {'zone' if kind == 'line' else 'line'}")
            else:
                found.append(_unknown(f"{field}.{where}", kind, place, there, f"{kind}s of its cameras"))
        warnings += [warning for warning in found if warning is not None]
    return warnings


def places_of(rule: RuleConfig) -> Iterator[tuple[str, str, str]]:
    """Yield the rule's zones and line: the field, `zone` or `line`, and the name."""
    for zone in rule.zones:
        yield "zone", "zone", zone
    for field, kind in (("enters", "zone"), ("leaves", "zone"), ("crosses", "line")):
        if (place := getattr(rule, field)) is not None:
            yield field, kind, place


def _condition_errors(
    path: str, condition: Condition, known: CheckpointNames, actions: Collection[str]
) -> Iterator[str]:
    """Yield the errors of one condition, without those inside."""
    vocabulary = known.vocabulary
    for action in condition.actions:
        if error := _unknown(f"{path}.action", "action", action, actions, "actions"):
            yield error
    for field in ("part", "near", "above"):
        part = getattr(condition, field)
        if part is not None and (error := _unknown(f"{path}.{field}", "part", part, vocabulary.parts, "parts")):
            yield error
    states = vocabulary.states_of.get(condition.part or "")
    if condition.state is not None and states is not None:
        error = _unknown(f"{path}.state", "state", condition.state, states, f"states of {condition.part}")
        if error is not None:
            yield error
    if condition.holds is not None and condition.part in vocabulary.parts and condition.part not in HANDS:
        yield f"{path}.part: only {' and '.join(HANDS)} hold objects, not {condition.part}"
    if known.objects is None:
        return
    for field, names in (("near_object", known.objects), ("holds", (*known.objects, ANY_OBJECT))):
        name = getattr(condition, field)
        if name is not None and (error := _unknown(f"{path}.{field}", "object", name, names, "objects")):
            yield error


def _unknown(field: str, kind: str, name: str, known: Collection[str], what: str) -> str | None:
    """Return an error if the name is unknown: the nearest known one, and which there are."""
    if name in known:
        return None
    similar = difflib.get_close_matches(name, known, 1) if len(known) <= _MOST_COMPARED else []
    nearest = next(iter(similar), None)
    hint = f"did you mean `{nearest}`? " if nearest else ""
    names = list(known)
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    listed = ", ".join(names[:_MOST_LISTED]) + more if names else "none"
    return f"{field}: unknown {kind} {name!r:.80}; {hint}{what}: {listed}"


def _worded(error: ErrorDetails) -> ErrorDetails:
    """Return the error in words for people."""
    worded = error.copy()
    location = error["loc"]
    worded["loc"] = location[:-1] if location[-1:] == ("[key]",) else location
    if error.get("ctx", {}).get("pattern") == _NAME_PATTERN:
        worded["msg"] = "names consist of at most 63 characters a-z, 0-9, - and _, beginning with a letter or digit"
    return worded
