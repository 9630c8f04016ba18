"""From the maps of NanoDet's heads to boxes, by the formulas of Generalized Focal Loss (Li et al., NeurIPS 2020).

A cell predicts how far its centre is from each side of the box, in strides, as a distribution over the integers 0 to
10. The distance is the distribution's mean. Unlike in a one-hot choice of a bin, it may lie between two integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.detection.nanodet.nanodet_network import BINS, CLASSES

CELLS = 1000
"""Cells of a picture that are decoded, those with the best class scores. The published decoding takes as many of each
stride. In a room of 480x640 with many objects, 1,400 cells score more than the threshold of 0.05; the hundred best
boxes are the same."""


def cell_centres(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Return the centres of a map's cells in input pixels, row by row: `[height · width, 2]` (x, y)."""
    y = (torch.arange(height, device=device) + 0.5) * stride
    x = (torch.arange(width, device=device) + 0.5) * stride
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((x, y), -1).flatten(0, 1)


def distances(logits: Tensor) -> Tensor:
    """Return the means of distributions over 0 to 10: logits `[..., 4 · 11]` → `[..., 4]`."""
    probabilities = logits.unflatten(-1, (4, BINS)).softmax(-1)
    return probabilities @ torch.arange(BINS, dtype=logits.dtype, device=logits.device)


def boxes_around(centres: Tensor, sides: Tensor, size: tuple[int, int]) -> Tensor:
    """Return boxes `[..., 4]` (x1, y1, x2, y2), clipped to a picture of `size` (height, width).

    centres `[..., 2]` (x, y); sides `[..., 4]`: distances to the left, top, right and bottom, in pixels.
    """
    x, y = centres.unbind(-1)
    left, top, right, bottom = sides.unbind(-1)
    height, width = size
    return torch.stack(
        (
            (x - left).clamp(0, width),
            (y - top).clamp(0, height),
            (x + right).clamp(0, width),
            (y + bottom).clamp(0, height),
        ),
        -1,
    )


def decode_maps(maps: Sequence[Tensor], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the boxes `[B, K, 4]` and class scores `[B, K, 80]` of the best K cells of the heads' maps.

    maps `[B, 124, H/s, W/s]` for each stride s. K is `CELLS`, or the number of cells if that is lower.
    """
    cells = torch.cat([output.flatten(2) for output in maps], 2)  # [B, 124, N]
    places = torch.cat([_places(output, stride) for output, stride in zip(maps, strides, strict=True)])  # [N, 3]
    _, rows = cells[:, :CLASSES].amax(1).topk(min(CELLS, cells.shape[2]))  # [B, K]
    cells = cells.transpose(1, 2).gather(1, rows[..., None].expand(-1, -1, cells.shape[1]))  # [B, K, 124]
    places = places[rows]  # [B, K, 3]
    sides = distances(cells[..., CLASSES:]) * places[..., 2:]
    size = maps[0].shape[2] * strides[0], maps[0].shape[3] * strides[0]
    return boxes_around(places[..., :2], sides, size), cells[..., :CLASSES].sigmoid()


def _places(output: Tensor, stride: int) -> Tensor:
    """Return x and y of the cells' centres in input pixels, and the stride: `[h · w, 3]`."""
    centres = cell_centres(output.shape[2], output.shape[3], stride, output.device)
    return F.pad(centres, (0, 1), value=stride)
