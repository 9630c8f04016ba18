"""The visual branch uses each person's own regions, whatever else is in the batch."""

from __future__ import annotations

import numpy as np
import torch

from stages.checkpoint import Checkpoint
from stages.detection.part_boxes import hand_regions, part_boxes
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.keypoint_features.geometry import sequence_features
from stages.pipeline import Pipeline
from stages.region_features.roi_features import Regions, RoiConfig, person_features
from stages.region_features.step_regions import REGION_OF_PART
from stages.settings import PipelineSettings, WindowSettings
from stages.vocabulary import packaged
from support.models.scripted_people import (
    SeeingDetector,
    Spot,
    assert_same,
    moving_people,
    run,
    scripted_detector,
    scripted_lease,
)


def seeing_checkpoint() -> Checkpoint:
    torch.manual_seed(1)
    vocabulary = packaged("edge")
    config = NetworkConfig(
        visual=True,
        visual_features=RoiConfig().length(),
        visual_hidden=16,
        state_hidden=24,
        graph_hidden=24,
        action_width=24,
        object_regions=REGION_OF_PART,
    )
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()
    return Checkpoint(network.requires_grad_(False), "edge", False, "none")


def seeing_pipeline(script: np.ndarray) -> Pipeline:
    return Pipeline(
        scripted_detector(SeeingDetector(script)),
        seeing_checkpoint(),
        PipelineSettings(window=WindowSettings(steps=12)),
    )


def test_batches_of_several_cameras_and_frames_give_the_results_of_single_frames() -> None:
    script = moving_people(24, 3)
    singly = run(seeing_pipeline(script), [[scripted_lease(n)] for n in range(24)])
    batches = [
        [scripted_lease(m, camera) for m in range(n, n + 3) for camera in ("hall", "yard")] for n in range(0, 24, 3)
    ]
    together = run(seeing_pipeline(script), batches)
    for spot, analysis in singly.items():
        for camera in ("hall", "yard"):
            assert_same(analysis, together[spot._replace(camera=camera)])


def test_the_visual_branch_uses_each_persons_regions_in_their_own_picture() -> None:
    script = moving_people(2, 2)
    pipeline = seeing_pipeline(script)
    found = run(pipeline, [[scripted_lease(0), scripted_lease(1)]])[Spot("hall", 1, 0)]

    rows = script[0]
    scale = np.array([640 / 64, 384 / 38], np.float32)
    boxes = rows[:, :4] * np.tile(scale, 2)
    keypoints = rows[:, 5:].reshape(-1, 17, 3) * np.append(scale, np.float32(1))
    made = part_boxes(keypoints, boxes, (640, 384))
    hands, there = hand_regions(keypoints, boxes, (640, 384))
    geometry = sequence_features(keypoints[:, None], boxes[:, None], np.zeros((2, 1), np.int64))
    maps, _ = SeeingDetector(script)(torch.from_numpy(scripted_lease(0).picture)[None])
    regions = Regions(
        torch.zeros(2, dtype=torch.int64),
        torch.from_numpy(made.boxes),
        torch.from_numpy(hands),
        torch.from_numpy(there),
        torch.tensor([[64 / 640, 38 / 384]]),
        torch.tensor([[64.0, 38.0]]),
        torch.zeros(1, 2),
    )
    with torch.no_grad():
        outputs = seeing_checkpoint().network.forward_step(
            torch.from_numpy(geometry.parts[:, 0]),
            torch.from_numpy(geometry.context[:, 0]),
            torch.from_numpy(made.present),
            person_features(maps, regions),
        )
    for row, person in enumerate(sorted(found.people, key=lambda one: one.box[0])):
        present = [column for column in range(10) if made.present[row, column]]
        assert len(person.parts) == len(present) > 5
        for part, column in zip(person.parts, present, strict=True):
            assert abs(part.relevance - float(outputs.relevance[row, column])) <= 1e-5
