"""Tests that the plain pipeline gives the same answers as the pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.paper.plain_pipeline import PlainPipeline, Region, assign_regions, held_object
from ring_buffers.frames import FrameMeta, Lease
from stages.detection.detections import ObjectDetections
from stages.detection.regions.part_assignment import assign_parts
from stages.people.held_objects import held_objects
from stages.pipeline import Pipeline
from stages.profiles import load_detector
from stages.settings import PipelineSettings
from stages.vocabulary import PARTS
from support.models.drawn_checkpoints import drawn_checkpoint
from support.models.drawn_people import SIZE, drawn, walking

FRAMES = 14


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def pictures(camera: int) -> list[NDArray[np.uint8]]:
    """Return pictures of two people, with feet hidden at times and no people for three frames in the middle."""
    shown = [picture.copy() for picture in [*walking(FRAMES + 5 * camera)][5 * camera :]]
    for picture in shown[::3]:
        picture[90:] = 55
    empty = drawn([], camera).picture
    return [empty if 6 <= number < 9 else picture for number, picture in enumerate(shown)]


def test_people_parts_actions_and_objects_equal_the_pipelines() -> None:
    checkpoint = drawn_checkpoint()
    detector = load_detector(checkpoint)
    pipeline = Pipeline(detector, checkpoint)
    plain = PlainPipeline(checkpoint, PipelineSettings(), detector.default_thresholds, pipeline.window_steps)
    size = (2 * SIZE[0], 2 * SIZE[1])
    format = pipeline.slot_format(size, None)
    assert format.content == SIZE
    films = {f"cam{camera}": pictures(camera) for camera in range(2)}
    people = objects = absent = 0
    spread: list[float] = []
    for number in range(FRAMES):
        leases = [
            Lease(FrameMeta(camera, 1, number, number * 80_000, 0, "media", 0, 0, size, format), film[number], 0)
            for camera, film in films.items()
        ]
        for lease, analysis in zip(leases, pipeline.process(leases), strict=True):
            plain_frame = plain.frame(lease.meta.camera, lease.picture[..., ::-1].copy(), size, lease.meta.media_us)
            assert [person.track for person in plain_frame.people] == [person.track for person in analysis.people]
            things = [region for region in plain_frame.regions if region.label == "ball" and region.score >= 0.3]
            assert [thing.label for thing in things] == [thing.label for thing in analysis.objects]
            objects += len(things)
            for ours, theirs in zip(analysis.people, plain_frame.people, strict=True):
                assert np.allclose(ours.box, theirs.box, atol=1e-2)
                assert [part.part for part in ours.parts] == [name for name in PARTS if name in theirs.parts]
                for part in ours.parts:
                    assert np.allclose(part.box, theirs.parts[part.part].box, atol=1e-2)
                    assert abs(part.relevance - theirs.relevance[part.part]) < 1e-4
                assert ours.action is not None and ours.action.label == theirs.action
                scores = dict(zip(checkpoint.vocabulary.actions, theirs.actions, strict=True))
                assert all(abs(score - scores[label]) < 1e-4 for label, score in ours.action.top)
                spread.append(ours.action.score)
                people += 1
                absent += len(PARTS) - len(ours.parts)
    # Tracks outlast the gap and are longer than the window of 6 steps.
    assert people > 30 and objects > 8 and absent
    assert np.ptp(spread) > 0.01


coordinate = st.integers(0, 12)
boxes = st.builds(
    lambda x, y, w, h, score: Region((float(x), float(y), float(x + w), float(y + h)), score, ""),
    coordinate, coordinate, st.integers(1, 8), st.integers(1, 8), st.integers(1, 16).map(lambda n: n / 16),
)  # fmt: skip


@given(st.lists(boxes, max_size=4), st.lists(boxes, min_size=1, max_size=5))
def test_parts_are_assigned_with_the_same_total_as_with_arrays(people: list[Region], found: list[Region]) -> None:
    ours = assign_parts(rows(people), rows(found)[None], np.array([[part.score for part in found]], np.float32))
    theirs = assign_regions(people, {"head": found})
    taken = [own["head"] for own in theirs if "head" in own]
    assert len(taken) == len({id(part) for part in taken})

    def total(given: list[Region | None]) -> float:
        return sum(
            assign_parts(rows([person]), rows([part])[None], np.array([[part.score]], np.float32)).present.sum()
            * within(person, part)
            * part.score
            for person, part in zip(people, given, strict=True)
            if part is not None
        )

    as_regions = [
        Region(tuple(ours.boxes[row, 0].tolist()), float(ours.scores[row, 0]), "") if ours.present[row, 0] else None
        for row in range(len(people))
    ]
    assert total([own.get("head") for own in theirs]) == pytest.approx(total(as_regions))


@given(boxes, st.lists(boxes, max_size=2), st.lists(boxes, max_size=4))
def test_held_objects_equal_those_of_the_pipeline(person: Region, hands: list[Region], things: list[Region]) -> None:
    own = dict(zip(("left_hand", "right_hand"), hands))
    parts = assign_parts(
        rows([person]), np.zeros((len(PARTS), 0, 4), np.float32), np.zeros((len(PARTS), 0), np.float32)
    )
    for name, hand in own.items():
        parts.boxes[0, PARTS.index(name)], parts.present[0, PARTS.index(name)] = hand.box, True
    found = ObjectDetections(rows(things), np.array([thing.score for thing in things], np.float32), ("",) * len(things))
    (index,) = held_objects(rows([person]), parts, PARTS, found)
    assert held_object(person, own, things) is (None if index < 0 else things[index])


def rows(regions: list[Region]) -> NDArray[np.float32]:
    return np.array([region.box for region in regions], np.float32).reshape(-1, 4)


def within(person: Region, part: Region) -> float:
    sides = [min(person.box[2 + axis], part.box[2 + axis]) - max(person.box[axis], part.box[axis]) for axis in (0, 1)]
    area = (part.box[2] - part.box[0]) * (part.box[3] - part.box[1])
    return max(sides[0], 0) * max(sides[1], 0) / area
