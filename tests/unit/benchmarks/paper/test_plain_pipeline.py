"""Tests that the plain pipeline gives the same answers as the pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.paper.plain_pipeline import PlainPipeline
from ring_buffers.frames import FrameMeta, Lease
from stages.pipeline import Pipeline
from stages.profiles import load_detector
from stages.settings import PipelineSettings
from stages.vocabulary import PARTS
from support.models.drawn_people import SIZE, drawn, drawn_checkpoint, walking

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
