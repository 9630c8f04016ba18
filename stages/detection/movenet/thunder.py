"""MoveNet SinglePose Thunder with its published weights: finds the 17 keypoints of one person in each crop.

It is more accurate than MultiPose, and needs a crop around each person. The published graph takes one crop; this
implementation takes batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from stages.detection.computation import Computation
from stages.detection.movenet.keypoint_decoding import best_near
from stages.detection.movenet.movenet import KEYPOINTS
from stages.detection.movenet.movenet_network import (
    STRIDE,
    Heads,
    ThunderNetwork,
    maps_and_heads_of_batches,
    neighbourhoods,
)
from stages.detection.tfjs_graph import Constants, read_weights
from stages.third_party import weights

SIDE = 256
"""Height and width of a crop."""


class Thunder(nn.Module):
    """The single-person network: `keypoints = net.decode(net(crops))`."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network from the published graph's constants (`tfjs_graph.read_weights`). Raises `GraphError`."""
        super().__init__()
        self.network = ThunderNetwork()
        self.network.fill(Constants(tensors, "MoveNet Thunder"))
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.precision = torch.float32
        """Compute precision of the convolutions; heads have the type of the weights."""
        self.computation: Computation | None = None
        """Computes the centre, the keypoint heatmap and the finest map; None for torch."""
        self.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> Thunder:
        """Load the weights from a folder (`movenet-thunder.json` and `.bin`), by default from the cache.

        Raises `WeightsError` naming the command to run if they are missing, `GraphError` if they are invalid.
        """
        folder = path or weights.locate("movenet-thunder")
        return cls(read_weights(folder / "movenet-thunder.json", folder / "movenet-thunder.bin"))

    @torch.no_grad()
    def forward(self, crops: Tensor) -> Heads:
        """Compute the heads: 64x64 cells of 4x4 pixels.

        crops `[B, 256, 256, 3]` uint8 RGB on the model's device, each with one person in its middle, whole, and black
        beyond the picture. B may be 0. Raises `ValueError` for crops of another shape.
        """
        if tuple(crops.shape[1:]) != (SIDE, SIDE, 3):
            raise ValueError(f"crops must have the shape [B, {SIDE}, {SIDE}, 3], not {list(crops.shape)}")
        ((_, heads),) = maps_and_heads_of_batches(self.network, [crops], self.precision, self.computation)
        return heads

    @torch.no_grad()
    def decode(self, heads: Heads) -> Tensor:
        """Return the keypoints of each crop: float32 `[B, 17, 3]`, x and y in pixels of the crop and score in [0, 1].

        The person's centre is the best cell near the middle of the crop. From there, the position of each keypoint is
        regressed. The keypoint is the best cell near that position, moved by the offset that is predicted there, and
        has the cell's score. The order is that of `KEYPOINTS`.
        """
        network = self.network
        middle = heads.centre.new_full((len(heads.centre), 1, 2), SIDE / STRIDE / 2)
        y, x, _ = best_near(heads.centre[:, None], middle)  # [B, 1]
        regressed = network.keypoint_regression.at(neighbourhoods(heads.features, y, x))
        expected = torch.stack((y, x), -1) + regressed.unflatten(-1, (len(KEYPOINTS), 2))[:, 0]  # [B, 17, 2]
        y, x, scores = best_near(heads.keypoint_heatmap, expected)  # [B, 17]
        offsets = network.keypoint_offset.at(neighbourhoods(heads.features, y, x))
        # The head returns offsets of all 17 keypoints at each position; take the keypoint's own.
        offsets = offsets.unflatten(-1, (len(KEYPOINTS), 2)).diagonal(dim1=1, dim2=2)  # [B, 2, 17]
        return torch.stack(((x + offsets[:, 1]) * STRIDE, (y + offsets[:, 0]) * STRIDE, scores), -1)
