"""The arithmetic of a two-stage detector on a fixed number of boxes: anchors, deltas, proposals, answers.

Owns nothing: pure functions on any device. With `fixed` no shape depends on values, so that the host never waits for
the device (no `.item()`, `nonzero` or boolean index); without, less is computed, which is the better way on the CPU.
The formulas are mmdet's, whose answers these are; a row that is no box has score 0. Boxes are x1, y1, x2, y2 in pixels
of the detector's input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.detection.suppression import unsuppressed

LARGEST_SCALING = abs(math.log(16 / 1000))
"""A delta scales a side by at most e to this."""
CANDIDATES = 2048
"""So many (box, class) pairs, the best of a picture, go through the last suppression. Above the usual score of 0.05
there are a few hundred; mmdet takes any number, which no fixed size holds."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How deltas are normalised, each [4]: x, y, width, height."""

    means: tuple[float, ...]
    stds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """mmdet's `test_cfg.rpn`."""

    before: int
    """Anchors a level that go into suppression."""
    count: int
    """Proposals a picture."""
    threshold: float
    least_side: float
    """Sides must be longer than this; below 0 all are good."""


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """mmdet's `test_cfg.rcnn`."""

    least_score: float
    threshold: float
    count: int
    """Boxes a picture."""


def anchors(base: Tensor, size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Anchors of one level, row by row: base `[A, 4]` around the origin, size (h, w) → `[h · w · A, 4]`."""
    y = torch.arange(size[0], device=base.device) * stride[1]
    x = torch.arange(size[1], device=base.device) * stride[0]
    y, x = torch.meshgrid(y, x, indexing="ij")
    return (torch.stack((x, y, x, y), -1).to(base.dtype)[..., None, :] + base).view(-1, 4)


def apply_deltas(boxes: Tensor, deltas: Tensor, coding: Coding, content: Tensor) -> Tensor:
    """Boxes `[B, N, 1 or C, 4]` moved and scaled by `deltas` `[B, N, C, 4]`, cut to each picture's `content` [B, 2]
    (width, height).
    """
    dx, dy, dw, dh = (
        deltas[..., axis] * std + mean for axis, (mean, std) in enumerate(zip(coding.means, coding.stds, strict=True))
    )
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    x = (x1 + x2) * 0.5 + width * dx
    y = (y1 + y2) * 0.5 + height * dy
    half_width = width * dw.clamp(-LARGEST_SCALING, LARGEST_SCALING).exp() * 0.5
    half_height = height * dh.clamp(-LARGEST_SCALING, LARGEST_SCALING).exp() * 0.5
    moved = torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), -1)
    limits = torch.cat((content, content), 1)[:, None, None]
    return torch.minimum(moved.clamp_min(0), limits)


def propose(
    levels: Sequence[tuple[Tensor, Tensor, Tensor]],
    coding: Coding,
    content: Tensor,
    settings: ProposalSettings,
    fixed: bool = True,
) -> tuple[Tensor, Tensor]:
    """Where something may be: boxes `[B, N, 4]` and scores `[B, N]`, best first.

    levels: for each, objectness logits `[B, A, h, w]`, deltas `[B, 4 · A, h, w]`, anchors `[h · w · A, 4]`. Suppression
    is within a level. N is `settings.count`, or fewer where the levels have fewer anchors.
    """
    boxes: list[Tensor] = []
    scores: list[Tensor] = []
    for logits, deltas, places in levels:
        score = logits.float().permute(0, 2, 3, 1).flatten(1).sigmoid()
        score, rows = score.topk(min(settings.before, score.shape[1]))
        delta = deltas.float().permute(0, 2, 3, 1).reshape(len(logits), -1, 4)
        delta = delta.gather(1, rows[..., None].expand(-1, -1, 4))
        box = apply_deltas(places[rows][:, :, None], delta[:, :, None], coding, content)[:, :, 0]
        if settings.least_side >= 0:
            score = score * (box[..., 2:] - box[..., :2] > settings.least_side).all(-1)
        boxes.append(box)
        scores.append(score * unsuppressed(box, score, settings.threshold, fixed=fixed))
    every = torch.cat(scores, 1)
    best, rows = every.topk(min(settings.count, every.shape[1]))
    return torch.cat(boxes, 1).gather(1, rows[..., None].expand(-1, -1, 4)), best


def of_class(values: Tensor, labels: Tensor) -> Tensor:
    """Each box's row for its own class: values `[B, N, 1 or C, 4]`, labels `[B, N]` → `[B, N, 1, 4]`."""
    if values.shape[2] == 1:
        return values
    return values.gather(2, labels[..., None, None].expand(-1, -1, 1, 4))


def answer(boxes: Tensor, probabilities: Tensor, settings: AnswerSettings, fixed: bool = True) -> Tensor:
    """The boxes of each picture, best first: `[B, settings.count, 6]`, x1, y1, x2, y2, score, class; zeros for none.

    boxes `[B, N, 1 or C, 4]`; probabilities `[B, N, C]`. A box may answer for several classes; suppression is within a
    class.
    """
    _, count, classes = probabilities.shape
    scores = torch.where(probabilities > settings.least_score, probabilities, 0).flatten(1)
    scores, pairs = scores.topk(min(CANDIDATES, count * classes))
    labels = pairs % classes
    rows = torch.div(pairs, classes, rounding_mode="floor")
    columns = labels if boxes.shape[2] > 1 else torch.zeros_like(labels)
    flat = boxes.flatten(1, 2).gather(1, (rows * boxes.shape[2] + columns)[..., None].expand(-1, -1, 4))
    scores = scores * unsuppressed(flat, scores, settings.threshold, labels, fixed)
    scores, rows = scores.topk(min(settings.count, scores.shape[1]))
    flat = flat.gather(1, rows[..., None].expand(-1, -1, 4))
    found = torch.cat((flat, scores[..., None], labels.gather(1, rows)[..., None].to(flat.dtype)), -1)
    found = found * (scores > 0)[..., None]
    return F.pad(found, (0, 0, 0, settings.count - found.shape[1]))
