"""Generated sequences as the network takes them, through the code that computes features live."""

from __future__ import annotations

import numpy as np
import torch

from stages.detection.part_boxes import part_boxes
from stages.keypoint_features.geometry import sequence_features
from training.annotated_videos.tensors import Tensors
from training.synthetic.sequences.generator import Batch


def to_tensors(batch: Batch) -> Tensors:
    """Return features and targets of a generated batch, on the CPU, without RoI features."""
    geometry = sequence_features(batch.keypoints, batch.boxes, batch.times_us)
    # No frame size is needed: joints outside the frame have low scores, which make their part absent.
    present = part_boxes(batch.keypoints, batch.boxes, (1e6, 1e6)).present
    steps = batch.action.shape[1]
    real = np.arange(steps) < batch.lengths[:, None]
    seconds = np.diff(batch.times_us, axis=1, prepend=batch.times_us[:, :1]) * 1e-6
    return Tensors(
        parts=torch.from_numpy(geometry.parts),
        context=torch.from_numpy(geometry.context),
        present=torch.from_numpy(present & real[..., None]),
        dt=torch.from_numpy(np.clip(seconds, 0, 2).astype(np.float32)),
        action=torch.from_numpy(batch.action),
        states=torch.from_numpy(batch.states),
        states_known=torch.from_numpy(real)[..., None].expand(present.shape),
        relevance=torch.from_numpy(batch.relevance),
        relevance_known=torch.from_numpy(batch.relevance_known)[..., None].expand(present.shape),
        real=torch.from_numpy(real),
        last=torch.from_numpy(batch.lengths - 1),
    )
