"""The steps of a two-stage detector on a fixed number of boxes: anchors, deltas, proposals.

With `fixed`, no shape depends on values, so that the host never waits for the device (no `.item()`, `nonzero` or
boolean index). Without it less is computed, which is faster on the CPU. The formulas and results are those of mmdet.
Unused rows have score 0. Boxes are x1, y1, x2, y2 in pixels of the detector's input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.detection.suppression import nms_mask

MAX_LOG_SCALE = abs(math.log(16 / 1000))
"""Limit of the natural logarithm of the factor by which a delta scales a side."""


@dataclass(frozen=True, slots=True)
class DeltaCoding:
    """Normalisation of deltas, each [4]: x, y, width, height."""

    means: tuple[float, ...]
    stds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """mmdet's `test_cfg.rpn`."""

    anchors_per_level: int
    """Anchors of each level that enter suppression."""
    count: int
    """Proposals per picture."""
    threshold: float
    min_side: float
    """Sides must be longer than this; a negative value allows all."""


def anchors(base: Tensor, size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Return the anchors of one level, row by row: base `[A, 4]` around the origin, size (h, w) → `[h · w · A, 4]`."""
    y = torch.arange(size[0], device=base.device) * stride[1]
    x = torch.arange(size[1], device=base.device) * stride[0]
    y, x = torch.meshgrid(y, x, indexing="ij")
    return (torch.stack((x, y, x, y), -1).to(base.dtype)[..., None, :] + base).view(-1, 4)


def apply_deltas(boxes: Tensor, deltas: Tensor, coding: DeltaCoding, content: Tensor) -> Tensor:
    """Move and scale boxes `[B, N, 1 or C, 4]` by `deltas` `[B, N, C, 4]`; clip them to each picture's `content`.

    content `[B, 2]`: width and height. Returns `[B, N, C, 4]`.
    """
    dx, dy, dw, dh = (
        deltas[..., axis] * std + mean for axis, (mean, std) in enumerate(zip(coding.means, coding.stds, strict=True))
    )
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    x = (x1 + x2) * 0.5 + width * dx
    y = (y1 + y2) * 0.5 + height * dy
    half_width = width * dw.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp() * 0.5
    half_height = height * dh.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp() * 0.5
    moved = torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), -1)
    limits = torch.cat((content, content), 1)[:, None, None]
    return torch.minimum(moved.clamp_min(0), limits)


def propose(
    levels: Sequence[tuple[Tensor, Tensor, Tensor]],
    coding: DeltaCoding,
    content: Tensor,
    settings: ProposalSettings,
    fixed: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return region proposals: boxes `[B, N, 4]` and scores `[B, N]`, best first.

    levels: objectness logits `[B, A, h, w]`, deltas `[B, 4 · A, h, w]` and anchors `[h · w · A, 4]` of each level.
    Suppression is within a level. N is `settings.count`, or the number of anchors if that is lower.
    """
    boxes: list[Tensor] = []
    scores: list[Tensor] = []
    for logits, deltas, level_anchors in levels:
        score = logits.float().permute(0, 2, 3, 1).flatten(1).sigmoid()
        score, rows = score.topk(min(settings.anchors_per_level, score.shape[1]))
        delta = deltas.float().permute(0, 2, 3, 1).reshape(len(logits), -1, 4)
        delta = delta.gather(1, rows[..., None].expand(-1, -1, 4))
        box = apply_deltas(level_anchors[rows][:, :, None], delta[:, :, None], coding, content)[:, :, 0]
        if settings.min_side >= 0:
            score = score * (box[..., 2:] - box[..., :2] > settings.min_side).all(-1)
        boxes.append(box)
        scores.append(score * nms_mask(box, score, settings.threshold, fixed=fixed))
    all_scores = torch.cat(scores, 1)
    best, rows = all_scores.topk(min(settings.count, all_scores.shape[1]))
    return torch.cat(boxes, 1).gather(1, rows[..., None].expand(-1, -1, 4)), best


def boxes_of_class(boxes: Tensor, labels: Tensor) -> Tensor:
    """Select the box of each row's class: boxes `[B, N, 1 or C, 4]`, labels `[B, N]` → `[B, N, 1, 4]`."""
    if boxes.shape[2] == 1:
        return boxes
    return boxes.gather(2, labels[..., None, None].expand(-1, -1, 1, 4))
