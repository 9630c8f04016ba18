"""The annotation of a frame: people, their parts with a state each, and objects; as types, as JSON, and as it is read.

A frame that fits the schema, as nearly all do, takes about 20 µs (there are 575,000); any other is read again without
the limits on undocumented keys. What is read is checked against the lists and the frame's size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import msgspec

from training.kinetics_tps.data_errors import ErrorCode, quoted
from training.kinetics_tps.lists import Lists

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the video; the pixels x2 and y2 belong to the box."""


class AnnotatedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One visible body part of a person and its state."""

    number: int
    box: Box
    verb: str
    name: str


class AnnotatedPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person. `parts` holds the visible parts by name; `number` counts within the frame and is no track id."""

    number: int
    box: Box
    parts: dict[str, AnnotatedPart]


class AnnotatedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object that people in the frame use."""

    number: int
    box: Box
    name: str


class AnnotatedFrame(msgspec.Struct, frozen=True):
    """One annotated frame; `index` counts the video's frames from 1."""

    index: int
    people: tuple[AnnotatedPerson, ...]
    objects: tuple[AnnotatedObject, ...] = ()


class FrameJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frame in the form of its file. `objects` is partstream's own key: the data set does not document one."""

    humans: tuple[AnnotatedPerson, ...]
    objects: tuple[AnnotatedObject, ...] = ()


def encode_frame(frame: AnnotatedFrame) -> bytes:
    """Return the contents of the frame's file."""
    return msgspec.json.encode(FrameJson(frame.people, frame.objects))


FrameErrors = list[tuple[ErrorCode, str]]
"""Codes and messages, each beginning with the place in the file."""
ALWAYS_VERBS = frozenset({"none", "others"})
"""Documented part states besides the list: no movement, and outside the vocabulary."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BOX_KEYS = ("box", "bbox")
_NAME_KEYS = ("name", "label", "object", "category", "class")
_MAX_DEPTH = 4


class _Part(msgspec.Struct):
    box: Box
    verb: str
    number: float = 0
    name: str | None = None


class _Person(msgspec.Struct):
    box: Box
    number: float | None = None
    parts: dict[str, _Part] = {}


class _Frame(msgspec.Struct):
    """A frame with undocumented keys, or without optional ones."""

    humans: list[_Person]


class FrameReader:
    """Reads frames and checks them against a data set's lists; `undocumented` counts frames by undocumented key."""

    def __init__(self, lists: Lists) -> None:
        self._parts = frozenset(lists.parts)
        self._verbs = frozenset(lists.verbs) | ALWAYS_VERBS if lists.verbs else frozenset[str]()
        self._decoder = msgspec.json.Decoder(FrameJson)
        self.undocumented: Counter[str] = Counter()

    def read(
        self, raw: bytes, index: int, picture: tuple[int, int] | None = None
    ) -> tuple[AnnotatedFrame | None, FrameErrors]:
        """Return the frame with this index, or None and its errors. `picture`: width and height, if known."""
        try:
            decoded = self._decoder.decode(raw)
            people, objects = decoded.humans, decoded.objects
            self.undocumented.update(["objects"] if objects else [])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            try:
                people, objects = self._loosely(raw.removeprefix(_BYTE_ORDER_MARK))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                return None, [(ErrorCode.BAD_JSON, f"the file is not JSON of a frame: {str(error).replace('`', '')}")]
        errors = list(self._errors(people, picture or (math.inf, math.inf)))
        objects = tuple(one for one in objects if one.box[0] <= one.box[2] and one.box[1] <= one.box[3])
        return (None, errors) if errors else (AnnotatedFrame(index, people, objects), [])

    def _loosely(self, raw: bytes) -> tuple[tuple[AnnotatedPerson, ...], tuple[AnnotatedObject, ...]]:
        loose = msgspec.json.decode(raw, type=_Frame)
        people = tuple(
            AnnotatedPerson(
                at if one.number is None else int(one.number),
                one.box,
                {
                    key: AnnotatedPart(int(part.number), part.box, part.verb, part.name or key)
                    for key, part in one.parts.items()
                },
            )
            for at, one in enumerate(loose.humans, 1)
        )
        content = msgspec.json.decode(raw)
        holders = [("", content, {"humans"})]
        for human in content["humans"]:
            holders.append(("humans[].", human, {"number", "box", "parts"}))
            parts = human.get("parts", {}).values()
            holders += [("humans[].parts[].", part, {"number", "box", "verb", "name"}) for part in parts]
        objects: list[AnnotatedObject] = []
        found: set[str] = set()
        for where, holder, known in holders:
            for key in (key for key in holder if key not in known):
                found.add(f"{where}{key}")
                objects += _objects_in(holder[key], key, len(objects) + 1)
        self.undocumented.update(found)
        return people, tuple(objects)

    def _errors(
        self, people: tuple[AnnotatedPerson, ...], picture: tuple[float, float]
    ) -> Iterator[tuple[ErrorCode, str]]:
        for at, person in enumerate(people):
            where = f"humans[{at}]"
            yield from _box_errors(person.box, where, picture)
            for key, part in person.parts.items():
                if self._parts and key not in self._parts:
                    yield ErrorCode.UNKNOWN_PART, f"{where}.parts {quoted(key)} is not in list/body_part.txt"
                if key != part.name:
                    yield ErrorCode.PART_NAME_DIFFERS, f"{where}.parts {quoted(key)} is called {quoted(part.name)}"
                if self._verbs and part.verb not in self._verbs:
                    words = f"{where}.parts.{key} verb {quoted(part.verb)} is not in list/part_stat.txt"
                    yield ErrorCode.UNKNOWN_VERB, words
                yield from _box_errors(part.box, f"{where}.parts.{key}", picture)


def _box_errors(box: Box, where: str, picture: tuple[float, float]) -> Iterator[tuple[ErrorCode, str]]:
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        yield ErrorCode.BOX_REVERSED, f"{where}.box ends before it begins: {list(box)}"
    elif x2 < 0 or y2 < 0 or x1 >= picture[0] or y1 >= picture[1]:
        yield ErrorCode.BOX_OUTSIDE, f"{where}.box is outside the frame: {list(box)}"


def _objects_in(value: Any, name: str, number: int, depth: int = 0) -> Iterator[AnnotatedObject]:
    """Yield everything with a box, in lists and objects, named by the name beside the box or by its key."""
    inner: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        for key in (key for key in _BOX_KEYS if key in fields):
            try:
                box = msgspec.convert(fields[key], Box)
            except msgspec.ValidationError:
                continue
            named = next((fields[key] for key in _NAME_KEYS if isinstance(fields.get(key), str)), name)
            own = fields.get("number")
            yield AnnotatedObject(own if type(own) is int else number, box, named)
            return
        inner = list(fields.items())
    elif isinstance(value, list):
        inner = [(name, item) for item in cast("list[Any]", value)]
    for key, item in inner if depth < _MAX_DEPTH else ():
        for thing in _objects_in(item, key, number, depth + 1):
            yield thing
            number += 1
