"""Annotated frames as pictures with labelled boxes. Owns a video while it reads it; pictures are the caller's.

Every reading decodes the video anew, because the pictures of a data set fit into no memory; what runs through a model
and what is taken here are decoded, turned and scaled by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ring_buffers.frames import Lease, SlotFormat
from stages.detection.region_classes import PERSON
from stages.types import FrameAnalysis, ModelInfo
from stages.vocabulary import PARTS
from training.kinetics_tps import AnnotatedFrame, Lists, Video
from training.kinetics_tps.annotations import Box
from training.video_runner import analyse_video

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

    Raises `training.video_runner.VideoReadError` where the video can't be read on.
    """
    by_index = {frame.index: frame for frame in video.frames if frame.index in set(indices)}
    if not by_index:
        return
    numbers = {name: row for row, name in enumerate(classes)}
    taker = _Taker(short_side)
    for _ in analyse_video(taker, video.path, without=_AllBut(frozenset(index - 1 for index in by_index))):
        for lease in taker.taken:
            yield _labelled(lease, by_index[lease.meta.frame + 1], numbers)
        taker.taken.clear()
        if taker.last + 1 >= max(by_index):
            return  # What comes after the last one needn't be decoded.


@dataclass(frozen=True, slots=True)
class _AllBut:
    """Frames to leave out, as `analyse_video` takes them: all but those wanted."""

    wanted: frozenset[int]

    def __contains__(self, number: object) -> bool:
        return number not in self.wanted


class _Taker:
    """Implements `stages.types.Model`: keeps the pictures that it is shown and says nothing."""

    info = ModelInfo("pictures", "", False)

    def __init__(self, short_side: int) -> None:
        self.taken: list[Lease] = []
        self.last = -1
        self._short_side = short_side

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        scale = self._short_side / min(source_size)
        width, height = (max(self._short_side, round(side * scale)) for side in source_size)
        return SlotFormat("rgb24", (width, height), (width, height))

    def warm_up(self) -> None:
        """Nothing to do."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        self.taken += frames
        self.last = frames[-1].meta.frame
        return [FrameAnalysis() for _ in frames]

    def forget(self, camera: str) -> None:
        """Nothing to do."""


def _labelled(lease: Lease, frame: AnnotatedFrame, numbers: Mapping[str, int]) -> LabelledPicture:
    found: list[tuple[str, Box]] = []
    for person in frame.people:
        found.append((PERSON, person.box))
        found += [(part.name, part.box) for part in person.parts.values()]
    found += [(thing.name, thing.box) for thing in frame.objects]
    known = [(numbers[name], box) for name, box in found if name in numbers]
    boxes = np.array([box for _, box in known], np.float32).reshape(-1, 4)
    boxes[:, 2:] += 1  # The annotation's last pixel is inside.
    scale = np.array(lease.meta.format.content, np.float32) / np.array(lease.meta.size, np.float32)
    boxes *= np.tile(scale, 2)
    return LabelledPicture(lease.picture, boxes, np.array([label for label, _ in known], np.int64))
