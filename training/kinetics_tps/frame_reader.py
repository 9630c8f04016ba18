"""Reading one annotated frame and checking it against the lists and the frame's size.

A frame that fits the schema, as nearly all do, takes about 20 µs (there are 575,000); any other is read again field by
field, to report its errors (`frame_explainer`).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, cast

import msgspec

from training.kinetics_tps.annotations import AnnotatedFrame, AnnotatedPerson, Box, FrameJson
from training.kinetics_tps.data_errors import ErrorCode
from training.kinetics_tps.frame_explainer import FrameExplainer
from training.kinetics_tps.lists import Lists
from training.kinetics_tps.loose_json import FrameErrors, decode_loosely, duplicate_keys, kind_of

ALWAYS_VERBS = frozenset({"none", "others"})
"""Documented part states besides the list: no movement, and outside the vocabulary."""


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
            frame = self._decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._explain(raw, index, picture)
        if not self._fits(frame, picture or (math.inf, math.inf)) or _may_repeat_keys(raw, frame.humans):
            return self._explain(raw, index, picture)
        if frame.objects:
            self.undocumented["objects"] += 1
        return AnnotatedFrame(index, frame.humans, frame.objects), []

    def _fits(self, frame: FrameJson, picture: tuple[float, float]) -> bool:
        names, verbs = self._parts, self._verbs
        for person in frame.humans:
            if not _is_inside(person.box, picture):
                return False
            for key, part in person.parts.items():
                if key != part.name or (names and key not in names) or (verbs and part.verb not in verbs):
                    return False
                if not _is_inside(part.box, picture):
                    return False
        return all(thing.box[0] <= thing.box[2] and thing.box[1] <= thing.box[3] for thing in frame.objects)

    def _explain(
        self, raw: bytes, index: int, picture: tuple[int, int] | None
    ) -> tuple[AnnotatedFrame | None, FrameErrors]:
        content, errors, reason = decode_loosely(raw)
        if errors:
            return None, errors
        if not isinstance(content, dict):
            return None, [(ErrorCode.NOT_AN_OBJECT, f"the file holds {kind_of(content)} instead of an object")]
        found = FrameExplainer(self._parts, self._verbs, picture)
        people = tuple(found.people(cast("dict[str, Any]", content)))
        errors = found.errors
        if _may_repeat_keys(raw, people):
            errors += duplicate_keys(raw, self._parts)
        if reason and not errors:
            errors.append((ErrorCode.BAD_JSON, reason))
        self.undocumented.update(found.undocumented)
        return (None, errors) if errors else (AnnotatedFrame(index, people, tuple(found.objects)), [])


def _is_inside(box: Box, picture: tuple[float, float]) -> bool:
    x1, y1, x2, y2 = box
    return x1 <= x2 and y1 <= y2 and x2 >= 0 and y2 >= 0 and x1 < picture[0] and y1 < picture[1]


def _may_repeat_keys(raw: bytes, people: tuple[AnnotatedPerson, ...]) -> bool:
    """Return whether the text has more keys than were decoded: decoders silently keep the last of equal keys."""
    verbs = sum(len(person.parts) for person in people)
    return raw.count(b'"verb"') != verbs or raw.count(b'"parts"') != len(people) or raw.count(b'"humans"') != 1
