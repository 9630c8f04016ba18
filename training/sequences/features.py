"""Sequences as the network takes them, through the code that computes features live."""

from __future__ import annotations

import numpy as np
import torch

from stages.detection.part_boxes import part_boxes
from stages.keypoint_features.geometry import sequence_features
from training.sequences.sequences import Sequences
from training.sequences.tensors import Tensors


def to_tensors(sequences: Sequences) -> Tensors:
    """Return features and targets of sequences, on the CPU, without RoI features."""
    geometry = sequence_features(sequences.keypoints, sequences.boxes, sequences.times_us)
    # No frame size is needed: joints outside the frame have low scores, which make their part absent.
    present = part_boxes(sequences.keypoints, sequences.boxes, (1e6, 1e6)).present
    real = sequences.real
    seconds = np.diff(sequences.times_us, axis=1, prepend=sequences.times_us[:, :1]) * 1e-6
    return Tensors(
        parts=torch.from_numpy(geometry.parts),
        context=torch.from_numpy(geometry.context),
        present=torch.from_numpy(present & real[..., None]),
        dt=torch.from_numpy(np.clip(seconds, 0, 2).astype(np.float32)),
        action=torch.from_numpy(np.where(real, sequences.action, -1)),
        states=torch.from_numpy(sequences.states),
        states_known=torch.from_numpy(sequences.states_known & real[..., None, None]),
        relevance=torch.from_numpy(sequences.relevance),
        relevance_known=torch.from_numpy(sequences.relevance_known & real[..., None]),
        real=torch.from_numpy(real),
        last=torch.from_numpy(sequences.lengths - 1),
    )
