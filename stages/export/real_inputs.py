"""Real inputs for checking graphs, computed by the detector and the geometry from a short video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.checkpoint import Checkpoint
from stages.detection.movenet.movenet import KEYPOINTS, MoveNet
from stages.detection.part_boxes import hand_regions, part_boxes
from stages.export.graph import Sample
from stages.export.network_graphs import HeadsModule, LSTMStepModule, pools_maps
from stages.heads.action_lstm import ActionLSTM
from stages.keypoint_features.geometry import sequence_features
from stages.region_features.roi_features import Regions, RoiConfig, person_features

_PERSON_SCORE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SampleVideo:
    """A short video in the detector's slot format."""

    pictures: NDArray[np.uint8]
    """[T, H, W, 3]"""
    content: tuple[int, int]
    """Width and height without padding."""
    times_us: NDArray[np.int64]
    """Media times [T] in µs."""


def real_pictures(video: SampleVideo) -> list[Sample]:
    """Return inputs of the detector: the video's first picture, and a batch of two."""
    pictures = torch.from_numpy(video.pictures)
    return [(pictures[:1],), (pictures[[0, -1]],)]


@torch.no_grad()
def real_people(video: SampleVideo, detector: MoveNet, checkpoint: Checkpoint, names: Sequence[str]) -> list[Sample]:
    """Return inputs of the heads, `names`: the video's best person at each of their steps, as one sample.

    There is no sample if the video shows no people, or if the network's regions are not pooled from feature maps.
    """
    config = checkpoint.network.config
    if config.visual and not pools_maps(config):
        return []
    maps, heads = detector(torch.from_numpy(video.pictures))
    rows = detector.decode(heads, 1).packed[:, 0].numpy()
    seen = np.flatnonzero(rows[:, 4] >= _PERSON_SCORE)
    if not len(seen):
        return []
    boxes, keypoints = rows[seen, :4], rows[seen, 5:].reshape(-1, len(KEYPOINTS), 3)
    parts = part_boxes(keypoints, boxes, video.content)
    geometry = sequence_features(keypoints[None], boxes[None], video.times_us[None, seen], config.joint_score)
    tensors: dict[str, Tensor] = {
        "parts": torch.from_numpy(geometry.parts[0]),
        "context": torch.from_numpy(geometry.context[0]),
        "present": torch.from_numpy(parts.present),
    }
    if config.visual:
        hands, hands_present = hand_regions(keypoints, boxes, video.content)
        pictures = len(video.pictures)
        regions = Regions(
            torch.from_numpy(seen),
            torch.from_numpy(parts.boxes),
            torch.from_numpy(hands),
            torch.from_numpy(hands_present),
            torch.ones(pictures, 2),
            torch.tensor(video.content, dtype=torch.float32).expand(pictures, 2),
            torch.zeros(pictures, 2),
        )
        tensors["part_regions"], tensors["object_regions"], _ = person_features(maps, regions, RoiConfig.of(config))
    return [tuple(tensors[name] for name in names)]


@torch.no_grad()
def real_steps(
    people: Sequence[Sample], heads: HeadsModule, checkpoint: Checkpoint, video: SampleVideo
) -> list[Sample]:
    """Return inputs of the step: one person's steps as rows, each with the state after the step before it."""
    model = checkpoint.network.action_lstm
    samples: list[Sample] = []
    for sample in people:
        action_input = heads(*sample)[3]
        if not isinstance(model, ActionLSTM):
            samples.append((action_input,))
            continue
        step = LSTMStepModule(model).eval()
        dt = torch.full((len(action_input),), float(np.diff(video.times_us).mean()) * 1e-6)
        dt[0] = 0
        state: Sequence[Tensor] = model.blank(1)
        before: list[Sequence[Tensor]] = []
        for row in range(len(action_input)):
            before.append(state)
            _, *state = step(action_input[row : row + 1], dt[row : row + 1], *state)
        states = (torch.cat(rows, 1) for rows in zip(*before, strict=True))
        samples.append((action_input, dt, *states))
    return samples
