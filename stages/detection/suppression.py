"""Greedy non-maximum suppression of a fixed number of boxes. Pure, owns nothing.

torchvision's operator answers with as many rows as it keeps, so on CUDA the host must wait for the count. Here the
answer is a mask, found in a fixed number of rounds. On the CPU, where there is nothing to wait for, torchvision's
operator is the quicker way to the same mask.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import batched_nms

ROUNDS = 32
"""Rounds on a device. A round settles one more link of every chain of boxes that each overlap the next better one; an
even number, so that of a longer chain too many boxes stay rather than too few. In 60 crowds of 1000 random boxes
8 rounds were enough."""


def unsuppressed(
    boxes: Tensor, scores: Tensor, threshold: float, labels: Tensor | None = None, fixed: bool = True
) -> Tensor:
    """Which rows stay, bool `[G, K]`: those that no better row of their group and label, itself staying, overlaps by an
    IoU above `threshold`.

    boxes float32 `[G, K, 4]` (x1, y1, x2, y2), scores `[G, K]`, labels int64 `[G, K]`; without them all rows of a group
    are alike. A score of 0 or less is no box: it neither stays nor suppresses. Of equal scores the first is better.
    `fixed`: without any shape that depends on values; else by torchvision.
    """
    if labels is None:
        labels = torch.zeros_like(scores, dtype=torch.int64)
    if fixed:
        return _in_rounds(boxes, scores, labels, threshold)
    kept = torch.zeros_like(scores, dtype=torch.bool)
    for group, there in enumerate(scores > 0):
        rows = there.nonzero()[:, 0]
        kept[group, rows[batched_nms(boxes[group, rows], scores[group, rows], labels[group, rows], threshold)]] = True
    return kept


def _in_rounds(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """As `unsuppressed`: all rows stay at first, and in each round those that a row now staying suppresses don't."""
    order = torch.arange(scores.shape[1], device=scores.device)
    rival, own = scores[:, :, None], scores[:, None]
    better = (rival > own) | ((rival == own) & (order[:, None] < order))  # [G, rival, row]
    better &= (labels[:, :, None] == labels[:, None]) & (rival > 0)
    # Counts fit half precision's range, and whether one is zero is all that is asked.
    beaten = (better & (_iou(boxes) > threshold)).to(torch.half if scores.is_cuda else torch.float)
    there = scores > 0
    kept = there
    for _ in range(ROUNDS):
        kept = there & (torch.bmm(kept.to(beaten.dtype)[:, None], beaten)[:, 0] == 0)
    return kept


def _iou(boxes: Tensor) -> Tensor:
    """boxes `[G, K, 4]` → `[G, K, K]`; not a number where both are empty."""
    low = boxes[:, :, None, :2].maximum(boxes[:, None, :, :2])
    high = boxes[:, :, None, 2:].minimum(boxes[:, None, :, 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return shared / (area[:, :, None] + area[:, None] - shared)
