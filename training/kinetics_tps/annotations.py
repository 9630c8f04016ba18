"""What people wrote about a frame: people, their parts with a state each, and objects. The types, and their JSON."""

from __future__ import annotations

import math

import msgspec

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the video; x2 and y2 are inside the box."""


class AnnotatedPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One visible body part of a person and what it does."""

    number: int
    box: Box
    verb: str
    name: str


class AnnotatedPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person. `parts` holds the visible ones by name; `number` counts within the frame and is no track."""

    number: int
    box: Box
    parts: dict[str, AnnotatedPart]


class AnnotatedObject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that people in the frame have to do with."""

    number: int
    box: Box
    name: str


class AnnotatedFrame(msgspec.Struct, frozen=True):
    """One annotated frame: the `index`-th picture of the video, counted from 1."""

    index: int
    people: tuple[AnnotatedPerson, ...]
    objects: tuple[AnnotatedObject, ...] = ()


class FrameJson(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frame as its file has it. `objects` is our own: the data set's object keys aren't documented."""

    humans: tuple[AnnotatedPerson, ...]
    objects: tuple[AnnotatedObject, ...] = ()


def encode_frame(frame: AnnotatedFrame) -> bytes:
    """The contents of the frame's file. Raises ValueError for a frame that would be read back otherwise."""
    for at, person in enumerate(frame.people):
        _require_box(person.box, f"humans[{at}].box")
        for key, part in person.parts.items():
            _require_box(part.box, f"humans[{at}].parts.{key}.box")
            if key != part.name:
                raise ValueError(f"humans[{at}].parts.{key}: its name is {part.name!r}")
    for at, thing in enumerate(frame.objects):
        _require_box(thing.box, f"objects[{at}].box")
    return msgspec.json.encode(FrameJson(frame.people, frame.objects))


def _require_box(box: Box, where: str) -> None:
    if not all(map(math.isfinite, box)) or box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"{where}: {list(box)} is not a box [x1, y1, x2, y2]")
