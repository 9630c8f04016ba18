"""A region detector without parts paired with a keypoint detector: matching of people, batches, and the real MoveNet.

The region detector is scripted, or small with random weights, because the published weights are not available here.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.frames import FrameMeta, Lease
from stages.detection.cascade_rcnn.cascade_rcnn import PackedRegions
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import for_classes
from stages.detection.paired_detector import MIN_IOU, PairedDetector, same_people
from stages.detection.region_detector import RegionClasses, RegionLayout
from stages.looks import WHOLE
from stages.pipeline import Pipeline
from stages.profiles import region_detector
from stages.settings import PipelineSettings, WindowSettings
from stages.vocabulary import PARTS
from support.models.random_detectors import random_detector, random_picture, small_cascade
from support.models.region_people import SCALE, THINGS, ScriptedRegions, paper_checkpoint, region_lease
from support.models.scripted_people import PICTURE, ScriptedDetector, Spot, assert_same, moving_people, run

CLASSES = RegionClasses.of(("ball", "person", "bat"), PARTS)
FRAMES, PEOPLE = 14, 3
LAYOUT = RegionLayout(PEOPLE, 0, 0, THINGS)


class Regions(ScriptedRegions):
    """A scripted detector of people and objects without parts."""

    classes = CLASSES

    def decode(self, heads: torch.Tensor, max_people: int) -> PackedRegions:
        return PackedRegions(super().decode(heads, max_people).packed, LAYOUT)


def script() -> tuple[np.ndarray, np.ndarray]:
    """Return regions [frames, rows, 6] and keypoints [frames, people, 56] of the same people.

    The regions have the people in reverse order, the boxes of the keypoints are slightly larger, and one person holds a
    ball.
    """
    poses = moving_people(FRAMES, PEOPLE)
    rows = np.zeros((FRAMES, LAYOUT.rows, 6), np.float32)
    for frame in range(FRAMES):
        boxes = poses[frame, ::-1, :4]
        rows[frame, :PEOPLE, :4] = boxes + np.array([0.4, 0.4, -0.4, -0.4])
        rows[frame, :PEOPLE, 4:] = 0.9, CLASSES.person
        wrist = poses[frame, 0, 5:].reshape(17, 3)[9, :2]
        rows[frame, PEOPLE, :4] = np.concatenate([wrist - 1, wrist + 1])
        rows[frame, PEOPLE, 4:] = 0.8, CLASSES.objects[0]
    return rows, poses


def paired(rows: np.ndarray, poses: np.ndarray) -> PairedDetector:
    return PairedDetector(Regions(rows, PEOPLE), ScriptedDetector(poses))


def test_each_person_gets_the_keypoints_of_the_overlapping_person() -> None:
    rows, poses = script()
    found = paired(rows, poses).detect([region_lease(n) for n in range(FRAMES)], [WHOLE] * FRAMES, PEOPLE).frames
    for frame in range(FRAMES):
        here = found[frame]
        assert here.keypoints is not None
        expected = poses[frame, ::-1, 5:].reshape(PEOPLE, 17, 3) * np.append(SCALE, 1)
        np.testing.assert_allclose(here.keypoints, expected, rtol=1e-6)
        np.testing.assert_allclose(here.boxes, rows[frame, :PEOPLE, :4] * np.tile(SCALE, 2), rtol=1e-6)
        assert here.objects.labels == ("ball",)
        assert here.parts_of(np.arange(PEOPLE), 0.2).present.any(1).all()


def plain_overlap(a: np.ndarray, b: np.ndarray) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    overlap = float(width * height / union)
    return overlap if overlap >= MIN_IOU else 0.0


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_the_matching_has_the_greatest_sum_of_ious_of_all_matchings(first: int, second: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 30, (first + second, 2))
    boxes = np.concatenate([corners, corners + random.uniform(10, 40, (first + second, 2))], 1).astype(np.float32)
    mine, theirs = boxes[:first], boxes[first:]
    rows, columns = same_people(mine, theirs)
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
    overlaps = [
        plain_overlap(mine[a].astype(float), theirs[b].astype(float)) for a, b in zip(rows, columns, strict=True)
    ]
    assert all(overlaps)
    # Try all ways to assign the smaller set to the larger one.
    few, many = (mine, theirs) if first <= second else (theirs, mine)
    best = max(
        sum(plain_overlap(few[at].astype(float), many[to].astype(float)) for at, to in enumerate(pairing))
        for pairing in permutations(range(len(many)), len(few))
    )
    assert sum(overlaps) == pytest.approx(best)


def test_batches_of_frames_give_the_same_people_and_objects_as_single_frames() -> None:
    rows, poses = script()
    settings = PipelineSettings(window=WindowSettings(steps=8))
    leases = [region_lease(n) for n in range(FRAMES)]
    singly, together = (
        run(Pipeline(paired(rows, poses), paper_checkpoint(), settings), batches)
        for batches in ([[lease] for lease in leases], [leases[:5], leases[5:6], leases[6:]])
    )
    last = singly[Spot("hall", 1, FRAMES - 1)]
    assert len(last.people) == PEOPLE and len(last.people[0].parts) == len(PARTS)
    assert [thing.label for thing in last.objects] == ["ball"]
    for spot, analysis in singly.items():
        assert_same(analysis, together[spot])


def coco_like(names: tuple[str, ...] = ("person", "ball", "bat")) -> StoredDetector:
    description = for_classes(small_cascade(), names)
    return StoredDetector(description, dict(random_detector(description).state_dict()), "coco.pth")


def test_a_detector_without_part_classes_is_paired_with_movenet() -> None:
    detector = region_detector(coco_like(), PARTS)
    assert isinstance(detector, PairedDetector) and detector.has_keypoints
    assert len(detector.networks) == 2
    format = detector.slot_format((300, 180), None)
    picture = np.zeros(format.shape, np.uint8)
    picture[: format.content[1], : format.content[0]] = random_picture(*format.content)
    lease = Lease(FrameMeta("hall", 1, 0, 0, 0, "media", 0, 0, PICTURE, format), picture, 0)
    detector.warm_up(torch.from_numpy(picture)[None], format.content, 4)
    here = detector.detect([lease], [WHOLE], 4).frames[0]
    assert here.keypoints is not None and here.keypoints.shape == (len(here.boxes), 17, 3)
