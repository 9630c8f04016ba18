"""A person in a frame, as rules see them, and signals: the numbers about a person that conditions compare.

Conditions read nothing else of a person, so that they answer the same from a message and from an archive's columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from stream.results import Box, DetectedObject, Part, Person

Kind = Literal["action", "state", "part", "holds", "near", "near_object", "above", "trunk", "hips", "speed"]
ANY_OBJECT = "any"
"""The name for `holds` that matches every object."""


class Signal(NamedTuple):
    """A number about a person.

    - `action` NAME, `state` of PART NAME, `part` PART: its score; 0.0 if the person does not have it.
    - `holds` PART NAME: 1.0 if the hand holds the object NAME, else 0.0.
    - `near` PART NAME, `near_object` PART NAME: the distance from the part's middle to the middle of the other part, or
      to the nearest point of the nearest such object's box, in statures; infinite if one is not visible.
    - `above` PART NAME: how far the part's middle is above the other's, in statures; minus infinity if one is not
      visible.
    - `trunk`, degrees; `hips`, statures; `speed`, statures per second: NaN if unknown.
    """

    kind: Kind
    part: str = ""
    name: str = ""


NONE: frozenset[str] = frozenset()


@dataclass(slots=True)
class Seen:
    """A person in a frame: from a message, or from the columns of an archive."""

    track: int
    box: Box
    zones: Sequence[str]
    crossed: Sequence[tuple[str, str]]
    values: list[float]
    """Those of `CompiledRules.signals`. The evaluator puts the scores of written actions before them."""
    person: Callable[[], Person]
    """Returns the person of the result, for reasons."""
    entered: frozenset[str] = NONE
    """Zones that the person is in, and was not in when last seen. Set by the evaluator."""
    left: frozenset[str] = NONE
    """Zones that the person was in when last seen, and no longer is. Set by the evaluator."""
    parts: dict[str, list[str]] | None = None
    """Written actions that hold, with the parts that show them. Set by the evaluator."""


class Scene(NamedTuple):
    """What signals are computed from: a person's parts by name, and the frame's objects."""

    person: Person
    parts: Mapping[str, Part]
    objects: Sequence[DetectedObject]


def signals_of(person: Person, objects: Sequence[DetectedObject], signals: Sequence[Signal]) -> list[float]:
    """Return the values of `signals`, in order."""
    if not signals:
        return []
    scene = Scene(person, {part.part: part for part in person.parts}, objects)
    return [_READERS[signal.kind](scene, signal) for signal in signals]


def _action(scene: Scene, signal: Signal) -> float:
    action = scene.person.action
    return action.score if action is not None and action.label == signal.name else 0.0


def _state(scene: Scene, signal: Signal) -> float:
    part = scene.parts.get(signal.part)
    return 0.0 if part is None else next((score for state, score in part.states if state == signal.name), 0.0)


def _part(scene: Scene, signal: Signal) -> float:
    part = scene.parts.get(signal.part)
    return 0.0 if part is None else part.score


def _holds(scene: Scene, signal: Signal) -> float:
    part = scene.parts.get(signal.part)
    held = None if part is None else part.holds
    return float(held is not None and signal.name in (held, ANY_OBJECT))


def _near(scene: Scene, signal: Signal) -> float:
    part, other, stature = scene.parts.get(signal.part), scene.parts.get(signal.name), scene.person.stature
    if part is None or other is None or not stature:
        return math.inf
    (x, y), (other_x, other_y) = _middle(part.box), _middle(other.box)
    return math.sqrt((x - other_x) * (x - other_x) + (y - other_y) * (y - other_y)) / stature


def _near_object(scene: Scene, signal: Signal) -> float:
    part, stature = scene.parts.get(signal.part), scene.person.stature
    if part is None or not stature:
        return math.inf
    x, y = _middle(part.box)
    nearest = math.inf
    for found in scene.objects:
        if found.label == signal.name:
            x1, y1, x2, y2 = found.box
            across, down = max(x1 - x, x - x2, 0.0), max(y1 - y, y - y2, 0.0)
            nearest = min(nearest, math.sqrt(across * across + down * down) / stature)
    return nearest


def _above(scene: Scene, signal: Signal) -> float:
    part, other, stature = scene.parts.get(signal.part), scene.parts.get(signal.name), scene.person.stature
    if part is None or other is None or not stature:
        return -math.inf
    return (_middle(other.box)[1] - _middle(part.box)[1]) / stature


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


_READERS: Mapping[Kind, Callable[[Scene, Signal], float]] = {
    "action": _action,
    "state": _state,
    "part": _part,
    "holds": _holds,
    "near": _near,
    "near_object": _near_object,
    "above": _above,
    "trunk": lambda scene, signal: _number(scene.person.trunk),
    "hips": lambda scene, signal: _number(scene.person.hips),
    "speed": lambda scene, signal: _number(scene.person.speed),
}
