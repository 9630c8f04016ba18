"""Annotated frames as pictures with labelled boxes. Owns a video while it reads it; pictures are the caller's.

Every reading decodes the video anew, because the pictures of a data set fit into no memory; what runs through a model
and what is taken here are decoded, turned and scaled by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import Lease, SlotFormat
from stages.detection.region_classes import PERSON
from stages.vocabulary import PARTS
from training.benchmark.video_runner import read_frames
from training.kinetics_tps import AnnotatedFrame, Lists, Video
from training.kinetics_tps.annotations import Box

NOTHING = "none"
"""What the list of objects calls none."""


class LabelledPicture(NamedTuple):
    """A picture uint8 `[H, W, 3]` RGB, boxes float32 `[n, 4]` (x1, y1, x2, y2 in its pixels), labels int64 `[n]`."""

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def classes_of(lists: Lists, videos: Sequence[Video]) -> tuple[str, ...]:
    """What there is to find: person, the parts, and the listed objects; without a list, those that are annotated."""
    named = set(lists.objects) or {thing.name for video in videos for frame in video.frames for thing in frame.objects}
    return (PERSON, *PARTS, *sorted(named - {NOTHING, PERSON, *PARTS}))


def read_pictures(
    video: Video, indices: Sequence[int], classes: Sequence[str], short_side: int
) -> Iterator[LabelledPicture]:
    """The annotated frames of these indices, in order, their shorter side scaled to `short_side`.

    Raises `training.benchmark.video_runner.VideoReadError` where the video can't be read on.
    """
    numbers = {name: row for row, name in enumerate(classes)}
    for lease, frame, scale in scaled_frames(video, indices, short_side):
        yield _labelled(lease, frame, scale, numbers)


def scaled_frames(
    video: Video, indices: Sequence[int], short_side: int
) -> Iterator[tuple[Lease, AnnotatedFrame, NDArray[np.float32]]]:
    """As `read_pictures`, with each frame's annotation, and the picture's pixels to one of the video, float32 `[2]`
    across and down."""
    by_index = {frame.index: frame for frame in video.frames if frame.index in set(indices)}
    for lease in read_frames(video.path, lambda size: _format(size, short_side), [index - 1 for index in by_index]):
        scale = np.array(lease.meta.format.content, np.float32) / np.array(lease.meta.size, np.float32)
        yield lease, by_index[lease.meta.frame + 1], scale


def _format(source: tuple[int, int], short_side: int) -> SlotFormat:
    scale = short_side / min(source)
    width, height = (max(short_side, round(side * scale)) for side in source)
    return SlotFormat("rgb24", (width, height), (width, height))


def _labelled(
    lease: Lease, frame: AnnotatedFrame, scale: NDArray[np.float32], numbers: Mapping[str, int]
) -> LabelledPicture:
    found: list[tuple[str, Box]] = []
    for person in frame.people:
        found.append((PERSON, person.box))
        found += [(part.name, part.box) for part in person.parts.values()]
    found += [(thing.name, thing.box) for thing in frame.objects]
    known = [(numbers[name], box) for name, box in found if name in numbers]
    boxes = np.array([box for _, box in known], np.float32).reshape(-1, 4)
    boxes[:, 2:] += 1  # The annotation's last pixel is inside.
    boxes *= np.tile(scale, 2)
    return LabelledPicture(lease.picture, boxes, np.array([label for label, _ in known], np.int64))
