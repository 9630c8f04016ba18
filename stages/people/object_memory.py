"""The objects of one camera's epoch from one look for objects to the next.

Objects that somebody holds move with the hand, at the same offset from its centre. All others keep still. The next look
replaces them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stages.detection.detections import NO_OBJECTS, ObjectDetections, PartBoxes
from stages.people.held_objects import hand_rows, objects_in_hands
from stages.people.people import SeenPerson

Hand = tuple[int, int]
"""A person's track, and the row of the hand among the parts."""


@dataclass(slots=True)
class _Held:
    """An object in hands, as it was found."""

    row: int
    hand: Hand
    """The hand with which it moves."""
    centre: NDArray[np.float32]
    """Of that hand."""
    box: NDArray[np.float32]


class ObjectMemory:
    """Remembers the objects of the last look."""

    def __init__(self, parts: tuple[str, ...], forget_after_us: int | None = None) -> None:
        """`parts`: their names. `forget_after_us`: media time after which objects are forgotten without a look."""
        self._parts = parts
        self._forget_after_us = forget_after_us
        self._seen_us = 0
        self._held: list[_Held] = []
        self.objects = NO_OBJECTS
        """Where they are in the last frame, in pixels of the epoch's first picture."""
        self.in_hands: dict[Hand, str] = {}
        """What hands hold."""

    def see(self, objects: ObjectDetections, people: Sequence[SeenPerson], media_us: int) -> None:
        """Replace all objects by those found in a frame with these people."""
        self.objects, self._seen_us = objects, media_us
        self._held, self.in_hands = [], {}
        if not people:
            return
        boxes = np.stack([seen.tracked.box for seen in people])
        parts = PartBoxes(*(np.stack(arrays) for arrays in zip(*((p.boxes, p.scores, p.present) for p in people))))
        hands = hand_rows(self._parts)
        moving: set[int] = set()
        for seen, held in zip(people, objects_in_hands(boxes, parts, self._parts, objects), strict=True):
            for part, row in zip(hands, held.tolist(), strict=True):
                if row < 0:
                    continue
                hand = seen.tracked.track, part
                self.in_hands[hand] = objects.labels[row]
                if row not in moving:
                    moving.add(row)
                    self._held.append(_Held(row, hand, _centre(seen.boxes[part]), objects.boxes[row]))

    def follow(self, people: Sequence[SeenPerson], media_us: int, size: tuple[int, int]) -> None:
        """Move held objects with their hands in a frame of `size` without a look."""
        if self._forget_after_us is not None and media_us - self._seen_us > self._forget_after_us:
            self.see(NO_OBJECTS, (), self._seen_us)
        if not self._held:
            return
        by_track = {seen.tracked.track: seen for seen in people}
        boxes = self.objects.boxes.copy()
        for held in self._held:
            track, part = held.hand
            seen = by_track.get(track)
            if seen is not None and seen.present[part]:
                moved = held.box + np.tile(_centre(seen.boxes[part]) - held.centre, 2)
                boxes[held.row] = np.clip(moved, 0, np.tile(np.array(size, np.float32), 2))
        self.objects = replace(self.objects, boxes=boxes)


def _centre(box: NDArray[np.float32]) -> NDArray[np.float32]:
    return (box[:2] + box[2:]) * np.float32(0.5)
