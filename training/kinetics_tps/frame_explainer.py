"""Reading one frame field by field, to find all its errors and the objects under undocumented keys.

A schema would stop at the first error and drop undocumented keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeGuard, cast

from training.kinetics_tps.annotations import AnnotatedObject, AnnotatedPart, AnnotatedPerson, Box
from training.kinetics_tps.data_errors import ErrorCode, printable, quoted
from training.kinetics_tps.loose_json import FrameErrors, kind_of

_FRAME_KEYS = frozenset({"humans"})
_PERSON_KEYS = frozenset({"number", "box", "parts"})
_PART_KEYS = frozenset({"number", "box", "verb", "name"})
_BOX_KEYS = ("box", "bbox")
_NAME_KEYS = ("name", "label", "object", "category", "class")
_MAX_DEPTH = 4
_LONG = 1e18
_NUMBERS = (int, float)
_ABSENT = object()


class FrameExplainer:
    """The contents and errors found in one frame while it is read."""

    def __init__(self, parts: frozenset[str], verbs: frozenset[str], picture: tuple[int, int] | None) -> None:
        self.errors: FrameErrors = []
        self.objects: list[AnnotatedObject] = []
        self.undocumented: set[str] = set()
        self._part_names, self._verb_names = parts, verbs
        self._width, self._height = picture or (math.inf, math.inf)

    def people(self, content: dict[str, Any]) -> list[AnnotatedPerson]:
        """Return a frame's people; afterwards `errors`, `objects` and `undocumented` hold the rest."""
        self._collect_objects(content, _FRAME_KEYS, "")
        humans = content.get("humans", _ABSENT)
        if humans is _ABSENT:
            self._add(ErrorCode.MISSING_FIELD, "humans", "is missing; a frame without people has an empty list")
        elif not isinstance(humans, list):
            self._add(ErrorCode.WRONG_TYPE, "humans", f"is {kind_of(humans)} instead of a list")
        else:
            people = [self._person(human, f"humans[{at}]", at) for at, human in enumerate(cast("list[Any]", humans))]
            return [person for person in people if person is not None]
        return []

    def _person(self, human: Any, where: str, at: int) -> AnnotatedPerson | None:
        if not isinstance(human, dict):
            self._add(ErrorCode.WRONG_TYPE, where, f"is {kind_of(human)} instead of an object")
            return None
        human = cast("dict[str, Any]", human)
        self._collect_objects(human, _PERSON_KEYS, "humans[].")
        box = self._box(human, where)
        number = self._number(human, where, at + 1)
        given = human.get("parts", {})
        if not isinstance(given, dict):
            self._add(ErrorCode.WRONG_TYPE, f"{where}.parts", f"is {kind_of(given)} instead of an object")
            return None
        parts: dict[str, AnnotatedPart] = {}
        for key, value in cast("dict[str, Any]", given).items():
            part = self._part(key, value, where)
            if part is None:
                continue
            if part.name in parts:
                self._add(ErrorCode.DUPLICATE_PART, where, f"has the part {quoted(part.name)} twice")
            elif part.name != key:
                words = f"is called {quoted(part.name)}"
                self._add(ErrorCode.PART_NAME_DIFFERS, f"{where}.parts.{printable(key[:40])}", words)
            parts[part.name] = part
        return AnnotatedPerson(number, box, parts) if box else None

    def _part(self, key: str, part: Any, where: str) -> AnnotatedPart | None:
        if self._part_names and key not in self._part_names:
            self._add(ErrorCode.UNKNOWN_PART, f"{where}.parts", f"{quoted(key)} is not in list/body_part.txt")
        where = f"{where}.parts.{printable(key[:40])}"
        if not isinstance(part, dict):
            self._add(ErrorCode.WRONG_TYPE, where, f"is {kind_of(part)} instead of an object")
            return None
        part = cast("dict[str, Any]", part)
        self._collect_objects(part, _PART_KEYS, "humans[].parts[].")
        box = self._box(part, where)
        name = part.get("name", key)
        if not isinstance(name, str):
            self._add(ErrorCode.WRONG_TYPE, f"{where}.name", f"is {kind_of(name)} instead of a word")
            name = key
        number = self._number(part, where, 0)
        verb = part.get("verb", _ABSENT)
        if verb is _ABSENT:
            self._add(ErrorCode.MISSING_FIELD, f"{where}.verb", "is missing")
            return None
        if not isinstance(verb, str):
            self._add(ErrorCode.WRONG_TYPE, f"{where}.verb", f"is {kind_of(verb)} instead of a word")
            return None
        if self._verb_names and verb not in self._verb_names:
            self._add(ErrorCode.UNKNOWN_VERB, f"{where}.verb", f"{quoted(verb)} is not in list/part_stat.txt")
        return AnnotatedPart(number, box, verb, name) if box else None

    def _box(self, holder: dict[str, Any], where: str) -> Box | None:
        where = f"{where}.box"
        given = holder.get("box", _ABSENT)
        if given is _ABSENT:
            self._add(ErrorCode.MISSING_FIELD, where, "is missing")
            return None
        if not _is_four_numbers(given):
            self._add(ErrorCode.WRONG_TYPE, where, "is not four numbers [x1, y1, x2, y2]")
            return None
        box = _as_box(given)
        if box is None:
            self._add(ErrorCode.BOX_NOT_FINITE, where, f"has a number that is not finite: {_short(given)}")
        elif box[2] < box[0] or box[3] < box[1]:
            self._add(ErrorCode.BOX_REVERSED, where, f"ends before it begins: {_short(given)}")
        elif box[2] < 0 or box[3] < 0 or box[0] >= self._width or box[1] >= self._height:
            size = "" if math.isinf(self._width) else f" of {self._width} x {self._height}"
            self._add(ErrorCode.BOX_OUTSIDE, where, f"is outside the frame{size}: {_short(given)}")
        return box

    def _number(self, holder: dict[str, Any], where: str, otherwise: int) -> int:
        number = holder.get("number", otherwise)
        if type(number) is int:
            return number
        if type(number) is float and number.is_integer():
            return int(number)
        self._add(ErrorCode.WRONG_TYPE, f"{where}.number", f"is {kind_of(number)} instead of a whole number")
        return otherwise

    def _collect_objects(self, holder: dict[str, Any], known: frozenset[str], where: str) -> None:
        for key in (key for key in holder if key not in known):
            self.undocumented.add(f"{where}{key}")
            self.objects += _objects_in(holder[key], key, len(self.objects) + 1)

    def _add(self, code: ErrorCode, where: str, words: str) -> None:
        self.errors.append((code, f"{where} {words}"))


def _objects_in(value: Any, name: str, number: int, depth: int = 0) -> Iterator[AnnotatedObject]:
    """Yield everything with a box, in lists and objects, named by the name beside the box or by its key."""
    if isinstance(value, list):
        for item in cast("list[Any]", value) if depth < _MAX_DEPTH else ():
            for thing in _objects_in(item, name, number, depth + 1):
                yield thing
                number += 1
    elif isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        box = next((_as_box(fields[key]) for key in _BOX_KEYS if key in fields), None)
        if box is not None and box[0] <= box[2] and box[1] <= box[3]:
            named = next((fields[key] for key in _NAME_KEYS if isinstance(fields.get(key), str)), name)
            own = fields.get("number")
            yield AnnotatedObject(own if type(own) is int else number, box, named)
            return
        for key, item in fields.items() if depth < _MAX_DEPTH else ():
            for thing in _objects_in(item, key, number, depth + 1):
                yield thing
                number += 1


def _is_four_numbers(value: Any) -> TypeGuard[list[int | float]]:
    if not isinstance(value, list):
        return False
    numbers = cast("list[Any]", value)
    return len(numbers) == 4 and all(type(number) in _NUMBERS for number in numbers)


def _as_box(value: Any) -> Box | None:
    """Return four finite numbers, or None."""
    if not _is_four_numbers(value):
        return None
    try:
        x1, y1, x2, y2 = map(float, value)
    except OverflowError:
        return None
    return (x1, y1, x2, y2) if all(map(math.isfinite, (x1, y1, x2, y2))) else None


def _short(numbers: list[int | float]) -> str:
    """Return the numbers of a box; integers that are too long to print are abbreviated."""
    return f"[{', '.join('…' if isinstance(n, int) and abs(n) > _LONG else str(n) for n in numbers)}]"
