"""Real inputs to try graphs on: what the detector and the geometry make of a short film. Owns nothing."""

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
class Film:
    """Pictures as a camera's slots hold them, uint8 [T, H, W, 3]; (width, height) of what isn't padding; media times
    int64 [T] in µs.
    """

    pictures: NDArray[np.uint8]
    content: tuple[int, int]
    times_us: NDArray[np.int64]


def real_pictures(film: Film) -> list[Sample]:
    """For the detector: the film's first picture, and a batch of two."""
    pictures = torch.from_numpy(film.pictures)
    return [(pictures[:1],), (pictures[[0, -1]],)]


@torch.no_grad()
def real_people(film: Film, detector: MoveNet, checkpoint: Checkpoint, names: Sequence[str]) -> list[Sample]:
    """For the heads, whose inputs are `names`: the film's best person at each of their steps, as one sample.

    Nothing where the film shows nobody, or where the network reads what the detector's maps don't give.
    """
    config = checkpoint.network.config
    if config.visual and not pools_maps(config):
        return []
    maps, heads = detector(torch.from_numpy(film.pictures))
    rows = detector.decode(heads, 1).packed[:, 0].numpy()
    seen = np.flatnonzero(rows[:, 4] >= _PERSON_SCORE)
    if not len(seen):
        return []
    boxes, keypoints = rows[seen, :4], rows[seen, 5:].reshape(-1, len(KEYPOINTS), 3)
    found = part_boxes(keypoints, boxes, film.content)
    geometry = sequence_features(keypoints[None], boxes[None], film.times_us[None, seen], config.joint_score)
    tensors: dict[str, Tensor] = {
        "parts": torch.from_numpy(geometry.parts[0]),
        "context": torch.from_numpy(geometry.context[0]),
        "present": torch.from_numpy(found.present),
    }
    if config.visual:
        hands, hands_present = hand_regions(keypoints, boxes, film.content)
        pictures = len(film.pictures)
        regions = Regions(
            torch.from_numpy(seen),
            torch.from_numpy(found.boxes),
            torch.from_numpy(hands),
            torch.from_numpy(hands_present),
            torch.ones(pictures, 2),
            torch.tensor(film.content, dtype=torch.float32).expand(pictures, 2),
        )
        tensors["part_regions"], tensors["object_regions"], _ = person_features(maps, regions, RoiConfig.of(config))
    return [tuple(tensors[name] for name in names)]


@torch.no_grad()
def real_steps(people: Sequence[Sample], heads: HeadsModule, checkpoint: Checkpoint, film: Film) -> list[Sample]:
    """For the step: one person's steps as so many rows, each with the state that the one before it left."""
    model = checkpoint.network.action_lstm
    samples: list[Sample] = []
    for sample in people:
        action_input = heads(*sample)[3]
        if not isinstance(model, ActionLSTM):
            samples.append((action_input,))
            continue
        step = LSTMStepModule(model).eval()
        dt = torch.full((len(action_input),), float(np.diff(film.times_us).mean()) * 1e-6)
        dt[0] = 0
        hidden = cell = torch.zeros(model.layers, 1, model.hidden)
        before: list[tuple[Tensor, Tensor]] = []
        for row in range(len(action_input)):
            before.append((hidden, cell))
            _, hidden, cell = step(action_input[row : row + 1], dt[row : row + 1], hidden, cell)
        states = (torch.cat(of_steps, 1) for of_steps in zip(*before, strict=True))
        samples.append((action_input, dt, *states))
    return samples
