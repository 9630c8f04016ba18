"""The edge profile on real footage, from leased pictures to analyses."""

from __future__ import annotations

from itertools import islice

import av
import numpy as np
import pytest
import torch

from ring_buffers.frames import FrameMeta, Lease
from stages.pipeline import Pipeline
from stages.profiles import choose_device, load_model
from stages.third_party import weights
from stages.vocabulary import PARTS

FRAMES = 24


def footage(pipeline: Pipeline) -> list[Lease]:
    """Return every third frame, 120 ms apart: a man on a roof, then a woman who walks by."""
    leases = []
    with av.open(str(weights.locate("sports2d", "demo.mp4"))) as container:
        for frame in islice(container.decode(video=0), 0, 3 * FRAMES, 3):
            size = (frame.width, frame.height)
            format = pipeline.slot_format(size, (384, 384))
            width, height = format.content
            picture = np.zeros(format.shape, np.uint8)
            picture[:height, :width] = frame.reformat(width, height, "rgb24").to_ndarray()
            at = len(leases)
            meta = FrameMeta("roof", 1, at, at * 120_000, 0, "media", 0, 0, size, format)
            leases.append(Lease(meta, picture, at))
    return leases


def test_the_man_on_the_roof_is_one_track_with_parts_inside_the_picture() -> None:
    edge = load_model("edge", "cpu", threads=1, detection="full")
    edge.warm_up()
    leases = footage(edge)
    singly = [one for start in range(0, FRAMES, 5) for one in edge.process(leases[start : start + 5])]
    tracks = [{person.track for person in frame.people} for frame in singly]
    assert all(1 in seen for seen in tracks)
    for frame in singly:
        for person in frame.people:
            assert 0 < person.score <= 1 and person.action is not None
            assert abs(sum(score for _, score in person.action.top)) <= 1 + 1e-5
            assert {part.part for part in person.parts} <= set(PARTS)
            for part in person.parts:
                x1, y1, x2, y2 = part.box
                assert 0 <= x1 < x2 <= 1920 and 0 <= y1 < y2 <= 1080
                assert 0 <= part.relevance <= 1 and 0 < part.score <= 1
                assert all(0 <= score <= 1 and label != "none" for label, score in part.states)
    assert np.mean([len(frame.people[0].parts) for frame in singly]) > 7


@pytest.mark.parametrize("profile", ["edge", "edge-open"])
def test_the_packaged_checkpoints_report_their_identity_and_actions(profile: str) -> None:
    made = load_model(profile, "cpu", threads=1, detection="full")
    assert made.info.profile == profile and made.info.trained
    assert made.info.weights.startswith("sha256:") and len(made.info.weights) == 7 + 64
    assert {"fall", "kick"} <= set(made.actions) and len(made.actions) == 24


def test_a_missing_device_is_rejected() -> None:
    for wrong in ("gpu", "meta", f"cuda:{torch.cuda.device_count() + 1}"):
        with pytest.raises(ValueError, match=wrong):
            choose_device(wrong)
