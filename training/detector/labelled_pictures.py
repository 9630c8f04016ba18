"""Annotated frames as pictures with labelled boxes: a detector's training examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import Lease
from stages.detection.regions.region_classes import PERSON
from stages.vocabulary import PARTS
from training.kinetics_tps import AnnotatedFrame, Box, Lists, Video
from training.picture_training.annotated_pictures import scaled_boxes, scaled_frames
from training.picture_training.views import LabelledPicture

NOTHING = "none"
"""The entry for no object in a list of objects."""


def classes_of(lists: Lists, videos: Sequence[Video]) -> tuple[str, ...]:
    """Return the classes to detect: person, the parts, and the listed objects; without a list, the annotated ones."""
    named = set(lists.objects) or {thing.name for video in videos for frame in video.frames for thing in frame.objects}
    return (PERSON, *PARTS, *sorted(named - {NOTHING, PERSON, *PARTS}))


def read_pictures(
    video: Video, indices: Sequence[int], classes: Sequence[str], short_side: int
) -> Iterator[LabelledPicture]:
    """Yield the annotated frames with these indices, in order, their shorter side scaled to `short_side`.

    Raises `training.video.frames.VideoReadError`.
    """
    numbers = {name: row for row, name in enumerate(classes)}
    for lease, frame, scale in scaled_frames(video, indices, short_side):
        yield _labelled(lease, frame, scale, numbers)


def _labelled(
    lease: Lease, frame: AnnotatedFrame, scale: NDArray[np.float32], numbers: Mapping[str, int]
) -> LabelledPicture:
    found: list[tuple[str, Box]] = []
    for person in frame.people:
        found.append((PERSON, person.box))
        found += [(part.name, part.box) for part in person.parts.values()]
    found += [(thing.name, thing.box) for thing in frame.objects]
    known = [(numbers[name], box) for name, box in found if name in numbers]
    boxes = scaled_boxes([box for _, box in known], scale)
    return LabelledPicture(lease.picture, boxes, np.array([label for label, _ in known], np.int64))
