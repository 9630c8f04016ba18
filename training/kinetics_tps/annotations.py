"""The annotation of a frame: people, their parts with a state each, and objects; as types and as JSON."""

from __future__ import annotations

import msgspec

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
