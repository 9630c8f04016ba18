"""People drawn as bright rectangles in the planes of a camera's frames, and a network that finds them.

Unlike scripted people they are found by what a picture shows, so also in regions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

import av
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.motion.motion_gate import MotionGate
from ring_buffers.slot_writers import picture_writer
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import Thunder, slot_format
from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet import NanoDet, ObjectFinder
from stages.detection.second_look import Search, SecondLook
from stages.pipeline import Pipeline
from stages.settings import PipelineSettings
from support.models.scripted_people import Found, random_checkpoint

SIZE = (768, 512)
"""Of the drawn pictures; the whole picture is seen unscaled, too."""
BACKGROUND, BRIGHT = 60, 220
STEP_US = 80_000
MOST_CUPS = 8

Person = tuple[int, int, int, int]
"""x1, y1, x2, y2 in pixels, even."""


class BrightPeopleNetwork:
    """Finds bright rectangles; a person's joints are spread over the rectangle. Counts the pictures it is shown."""

    def __init__(self, finds_anybody: bool = True) -> None:
        self._finds_anybody = finds_anybody
        self.pictures: list[tuple[int, int]] = []
        """Height and width of each."""

    def __call__(self, pictures: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        self.pictures += [(int(pictures.shape[1]), int(pictures.shape[2]))] * len(pictures)
        return {}, pictures

    def decode(self, heads: Tensor, max_people: int) -> Found:
        rows = np.stack([_rows(picture.numpy(), max_people) for picture in heads])
        return Found(torch.from_numpy(rows * np.float32(self._finds_anybody)))


def _rows(picture: NDArray[np.uint8], max_people: int) -> NDArray[np.float32]:
    rows = np.zeros((max_people, 56), np.float32)
    labels = np.zeros(picture.shape[:2], np.int32)
    ndimage.label(picture[..., 1] > (BACKGROUND + BRIGHT) / 2, output=labels)
    for row, (down, across) in zip(rows, ndimage.find_objects(labels)):
        box = np.array((across.start, down.start, across.stop, down.stop), np.float32)
        spread = np.linspace(0, 1, 17, dtype=np.float32)[:, None]
        # Upper joints first, alternately at the left and the right edge.
        sides = (np.arange(17) % 2)[:, None]
        joints = np.concatenate((box[0] + sides * (box[2] - box[0]), box[1] + spread * (box[3] - box[1])), 1)
        row[:5] = (*box, 0.6)
        row[5:] = np.concatenate((joints, np.full((17, 1), 0.6)), 1).ravel()
    return rows


class BrightObjectsNetwork:
    """Finds a cup at the left hand of each bright person. Counts the pictures it is shown."""

    def __init__(self) -> None:
        self.pictures = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        self.pictures += len(pictures)
        return pictures

    def decode(self, heads: Tensor) -> Found:
        rows = np.stack([_rows(picture.numpy(), MOST_CUPS)[:, :6] for picture in heads])
        found = rows[..., 4] > 0
        # The left wrist is the tenth joint, at the right edge.
        x, y = rows[..., 2], rows[..., 1] + (rows[..., 3] - rows[..., 1]) * np.float32(9 / 16)
        half = (rows[..., 3] - rows[..., 1]) * np.float32(0.05)
        rows[..., :4] = np.stack((x - half, y - half, x + half, y + half), -1)
        rows[..., 5] = CLASS_NAMES.index("cup")
        return Found(torch.from_numpy(rows * found[..., None]))


class BrightSearchNetwork:
    """Finds the boxes of bright people in views. Counts the views it is shown."""

    def __init__(self) -> None:
        self.views = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        self.views += len(pictures)
        return pictures

    def decode(self, heads: Tensor, max_boxes: int) -> Found:
        rows = np.stack([_rows(picture.numpy(), max_boxes)[:, :6] for picture in heads])
        rows[..., 5] = CLASS_NAMES.index("person")
        return Found(torch.from_numpy(rows))


class BrightSecondNetwork:
    """Finds the joints of a bright person in a crop, surer than the first network. Counts the crops it is shown."""

    def __init__(self) -> None:
        self.crops = 0

    def __call__(self, pictures: Tensor) -> Tensor:
        self.crops += len(pictures)
        return pictures

    def decode(self, heads: Tensor) -> Tensor:
        keypoints = np.stack([_rows(picture.numpy(), 8)[0, 5:].reshape(17, 3) for picture in heads])
        return torch.from_numpy(keypoints * np.array([1, 1, 1.5], np.float32))


def bright_pipeline(
    settings: PipelineSettings,
    objects: BrightObjectsNetwork | None = None,
    second: BrightSecondNetwork | None = None,
    search: BrightSearchNetwork | None = None,
    finds_anybody: bool = True,
) -> tuple[Pipeline, BrightPeopleNetwork]:
    """A pipeline with the network that finds bright people, those for objects, second looks and searches if given, and
    a random checkpoint. `finds_anybody`: whether the first network does."""
    network = BrightPeopleNetwork(finds_anybody)
    finder = None if objects is None else ObjectFinder(objects)
    searching = None if search is None else Search(cast("NanoDet", search))
    second_look = None if second is None else SecondLook(cast("Thunder", second), searching)
    detector = KeypointDetector(network, slot_format, objects=finder, second_look=second_look)
    return Pipeline(detector, random_checkpoint(), settings), network


def drawn_frames(
    pipeline: Pipeline, scenes: Sequence[Sequence[Person]], camera: str = "hall", step_us: int = STEP_US
) -> Iterator[Lease]:
    """Yield one frame per scene, as a camera's thread writes it, with the real gate's map of its motion."""
    format = pipeline.slot_format(SIZE, None)
    writer, gate = picture_writer(format), MotionGate()
    for number, people in enumerate(scenes):
        frame = av.VideoFrame.from_ndarray(_planes(people), "yuv420p")
        picture = np.zeros(format.shape, np.uint8)
        writer.write(frame, picture)
        at = number * step_us
        motion = gate.look(frame, at) if format.motion else None
        yield Lease(FrameMeta(camera, 1, number, at, at, "media", 0, 0, SIZE, format, motion), picture, 0)


def _planes(people: Sequence[Person]) -> NDArray[np.uint8]:
    width, height = SIZE
    planes = np.full((height * 3 // 2, width), 128, np.uint8)
    planes[:height] = BACKGROUND
    for x1, y1, x2, y2 in people:
        planes[y1:y2, x1:x2] = BRIGHT
    return planes
