"""A small folder of annotated videos, and a detector without weights that finds one person where they are annotated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ring_buffers.frames import SlotFormat
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import FEATURE_CHANNELS
from stages.detection.part_boxes import part_boxes
from stages.vocabulary import PARTS
from support.training.kinetics_tps_examples import FACTS, FRAMES, HEIGHT, LISTS, WIDTH, person, put_dataset
from training.annotated_videos import feature_cache
from training.annotated_videos.watching import Watcher, WatchSettings
from training.kinetics_tps import AnnotatedFrame, Video, video_file

SIZE = (WIDTH, HEIGHT)
BOX = (20.0, 4.0, 44.0, 60.0)
"""The box in which the detector finds a person in every picture."""
STANDING = np.array(
    [
        (0, 8), (2, 6), (-2, 6), (5, 8), (-5, 8), (11, 20), (-11, 20), (14, 36), (-14, 36), (15, 50), (-15, 50),
        (6, 50), (-6, 50), (6, 74), (-6, 74), (6, 97), (-6, 97),
    ],
    np.float32,
)  # fmt: skip
"""A person 100 high at (0, 0): x, y of the keypoints."""


@dataclass(frozen=True)
class Found:
    packed: torch.Tensor


@dataclass
class StandIn:
    """Implements `stages.detection.keypoint_batches.Detector`; its feature maps are the downscaled picture."""

    pictures: int = 0
    swaying: float = 1.0
    seen: list[int] = field(default_factory=list)

    def __call__(self, pictures: torch.Tensor) -> tuple[dict[int, torch.Tensor], int]:
        grey = pictures.float().mean(-1)[:, None] / 64
        maps = {
            stride: F.avg_pool2d(grey, stride).expand(-1, channels, -1, -1).contiguous()
            for stride, channels in FEATURE_CHANNELS.items()
        }
        self.pictures += len(pictures)
        return maps, len(pictures)

    def decode(self, heads: int, max_people: int) -> Found:
        rows = np.zeros((heads, 1, 56), np.float32)
        for row in range(heads):
            swayed = standing()
            swayed[:, :2] += np.float32(self.swaying) * np.sin(np.float32(self.pictures - heads + row))
            rows[row, 0] = [*BOX, 0.8, *swayed.ravel()]
        return Found(torch.from_numpy(rows))


def formats(source: tuple[int, int], wanted: tuple[int, int] | None) -> SlotFormat:
    return SlotFormat("rgb24", source, source)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Replace MoveNet by a detector that counts its pictures."""
    detector = StandIn()

    def make(settings: WatchSettings) -> Watcher:
        return Watcher(KeypointDetector(detector, formats), settings)

    monkeypatch.setattr(feature_cache, "make_watcher", make)
    return detector


def standing() -> np.ndarray:
    """Return joints and scores [17, 3] of the detected person."""
    joints = STANDING * np.float32(0.55) + np.array([(BOX[0] + BOX[2]) / 2, BOX[1]], np.float32)
    return np.concatenate([joints, np.full((17, 1), 0.7, np.float32)], 1)


def annotated(root: Path, action: str, name: str, **verbs: str) -> Video:
    """Return a video whose person and parts are annotated at frames 1, 5 and 11 where the detector finds them."""
    boxes = dict(zip(PARTS, part_boxes(standing(), np.array(BOX), SIZE).boxes.tolist(), strict=True))
    one = person(box=(BOX[0] + 2, BOX[1], BOX[2] - 2, BOX[3]), **verbs)
    parts = {part: msgspec.structs.replace(known, box=tuple(boxes[part])) for part, known in one.parts.items()}
    people = (msgspec.structs.replace(one, parts=parts),)
    frames = tuple(AnnotatedFrame(index, people) for index in (1, 5, 11))
    return Video(name, action, video_file(root, "train", action, name), FACTS, frames)


def put_folder(root: Path, each: int = 3, actions: tuple[str, str] = ("wave", "stand")) -> Path:
    """Write `each` videos of each of two actions."""
    busy, calm = actions
    videos = [annotated(root, busy, f"{busy}-{n}", left_hand="hold", left_arm="bend", head="none") for n in range(each)]
    videos += [annotated(root, calm, f"{calm}-{n}", left_hand="none", left_arm="none") for n in range(each)]
    put_dataset(root, videos, LISTS)
    return root


STEPS = (FRAMES + 1) // 2
"""A person's steps in a video of 25 frames per second: every second frame."""
