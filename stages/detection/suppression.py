"""Greedy non-maximum suppression with outputs of a fixed size, and the choice of a detector's boxes by it.

torchvision's operator returns as many rows as it keeps, so that on CUDA the host must wait for the count. This module
computes a mask in a fixed number of rounds instead. On the CPU, torchvision's operator gives the same mask faster.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

ROUNDS = 32
"""Rounds of the fixed-size method. Each round settles one more box of every chain in which each box overlaps the next
better one. The number is even, so that too many rather than too few boxes of a longer chain stay. In 60 crowds of 1000
random boxes, 8 rounds were enough."""

CANDIDATES = 2048
"""Pairs of box and class, the best of each picture, that enter the suppression of `select_detections`. Usually a few
hundred score above the threshold of 0.05. mmdet has no limit, but a fixed size needs one."""


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """Which boxes of a picture are detections (mmdet's `test_cfg.rcnn`)."""

    min_score: float
    """Scores must be greater."""
    threshold: float
    """IoU above which a box suppresses a worse one of its class."""
    count: int
    """Boxes per picture."""


def nms_mask(
    boxes: Tensor, scores: Tensor, threshold: float, labels: Tensor | None = None, fixed: bool = True
) -> Tensor:
    """Return which rows stay, bool `[G, K]`.

    A row is suppressed by a better row of its group and label that stays and overlaps it with an IoU above `threshold`.

    boxes float32 `[G, K, 4]` (x1, y1, x2, y2), scores `[G, K]`, labels int64 `[G, K]`; without labels, all rows of a
    group have the same one. A row with a score of 0 or less is no box: it neither stays nor suppresses. Of rows with
    equal scores the first is better. `fixed`: no shape depends on values; otherwise torchvision's operator is used.
    """
    if labels is None:
        labels = torch.zeros_like(scores, dtype=torch.int64)
    if fixed:
        return _mask_in_rounds(boxes, scores, labels, threshold)
    nms = _torchvision_nms()
    kept = torch.zeros_like(scores, dtype=torch.bool)
    for group, valid in enumerate(scores > 0):
        rows = valid.nonzero()[:, 0]
        if not len(rows):
            continue
        # Boxes of different labels are moved apart, in float64, whose rounding changes no overlap by more than 1e-9.
        corners = boxes[group, rows].double()
        apart = labels[group, rows] * (corners.max() - corners.min() + 1)
        kept[group, rows[nms(corners + apart[:, None], scores[group, rows].double(), threshold)]] = True
    return kept


@cache
def _torchvision_nms() -> Callable[[Tensor, Tensor, float], Tensor]:
    """Return torchvision's operator: rows of the boxes that stay, best first.

    The import of torchvision takes two seconds and 50 MiB. Only its library is loaded, if it is where it usually is.
    """
    spec = find_spec("torchvision")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            torch.ops.load_library(Path(folder, "_C.so"))
            return torch.ops.torchvision.nms
        except (OSError, AttributeError):
            continue
    from torchvision.ops import nms

    return nms


def select_detections(boxes: Tensor, probabilities: Tensor, settings: DetectionSettings, fixed: bool = True) -> Tensor:
    """Return the detections of each picture, best first: `[B, settings.count, 6]`, zeros for none.

    Columns are x1, y1, x2, y2, score, class. boxes `[B, N, 1 or C, 4]`; probabilities `[B, N, C]`. One box may give
    detections of several classes; suppression is within a class.
    """
    _, count, classes = probabilities.shape
    scores = torch.where(probabilities > settings.min_score, probabilities, 0).flatten(1)
    scores, pairs = scores.topk(min(CANDIDATES, count * classes))
    labels = pairs % classes
    rows = torch.div(pairs, classes, rounding_mode="floor")
    columns = labels if boxes.shape[2] > 1 else torch.zeros_like(labels)
    flat = boxes.flatten(1, 2).gather(1, (rows * boxes.shape[2] + columns)[..., None].expand(-1, -1, 4))
    scores = scores * nms_mask(flat, scores, settings.threshold, labels, fixed)
    scores, rows = scores.topk(min(settings.count, scores.shape[1]))
    flat = flat.gather(1, rows[..., None].expand(-1, -1, 4))
    found = torch.cat((flat, scores[..., None], labels.gather(1, rows)[..., None].to(flat.dtype)), -1)
    found = found * (scores > 0)[..., None]
    return F.pad(found, (0, 0, 0, settings.count - found.shape[1]))


def _mask_in_rounds(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Compute the mask of `nms_mask` in rounds.

    Each round keeps the rows that no row kept by the previous round suppresses; before the first, all rows are kept.
    """
    order = torch.arange(scores.shape[1], device=scores.device)
    other, own = scores[:, :, None], scores[:, None]
    better = (other > own) | ((other == own) & (order[:, None] < order))  # [G, other, row]
    better &= (labels[:, :, None] == labels[:, None]) & (other > 0)
    # Half precision is enough: the products are counts, and only whether they are zero matters.
    suppresses = (better & (_iou(boxes) > threshold)).to(torch.half if scores.is_cuda else torch.float)
    valid = scores > 0
    kept = valid
    for _ in range(ROUNDS):
        kept = valid & (torch.bmm(kept.to(suppresses.dtype)[:, None], suppresses)[:, 0] == 0)
    return kept


def _iou(boxes: Tensor) -> Tensor:
    """Return the IoU of each two boxes: `[G, K, 4]` → `[G, K, K]`, NaN where both are empty."""
    low = boxes[:, :, None, :2].maximum(boxes[:, None, :, :2])
    high = boxes[:, :, None, 2:].minimum(boxes[:, None, :, 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return shared / (area[:, :, None] + area[:, None] - shared)
