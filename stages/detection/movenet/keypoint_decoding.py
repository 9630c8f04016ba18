"""Decoding of CenterNet maps to people: peaks, keypoint refinement, scores and the removal of duplicates.

All tensors have a fixed size, and no function waits for the device (no `.item()`, `nonzero` or boolean index). The
formulas are those of MoveNet MultiPose's published graph unless stated otherwise; `best_near` is Thunder's. Positions
are in cells of the maps, (y, x).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PEAK_WINDOW = 5
"""A centre has the greatest score within 5x5 cells (20x20 pixels)."""
PEAK_TOLERANCE = 1e-6
SPREAD = 0.300048828125
"""The graph's constant: a keypoint's score at squared distance d from its regressed position is weighted by
exp(−d / (SPREAD · min(h, w)))."""
LEAST_CELLS = 64
"""Least min(h, w) in that weight. In narrow pictures it differs from the published graph, because people in a narrow
region are as large as in a square one."""
GRAPH_PEOPLE = 6
"""People that the published graph returns."""
KEYPOINT_SCORE = 0.126953125
"""Only keypoints above this count in a person's score."""
MIN_CENTRE_SCORE = 0.05
"""Centres that score less are not people; a person's score never exceeds that of the centre. On the CPU such rows are
not decoded, except the graph's six. This saves 2 to 3 ms for 32 rows."""
DUPLICATE_OVERLAP = 0.42
"""Two rows are one person if the mean of their IoU and OKS is above this. On street and studio footage at 384 and 768
pixels it was 0.45 to 0.85 for duplicates and at most 0.39 for different people. Duplicates occur for people taller than
about 250 pixels, for whom the published peak window of 20 pixels is too small."""
NMS_ROUNDS = 4
"""Rounds of suppression. Each settles one more row of a chain of rows that overlap only their neighbours. People are
found two or three times, so chains are short."""
COCO_SIGMAS = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089,
    0.089,
)  # fmt: skip
"""COCO's tolerance of each keypoint, as a share of the person's size; the OKS uses twice the tolerance."""
DISTANCE_OFFSET = 1.7998046875
"""Thunder's constant: scores are divided by this plus the distance from the expected position."""
_BOX_TO_SEGMENT = 0.53
"""The OKS is defined with the area of the person's segment, which is about this share of the box."""
_NEGLIGIBLE = 12.0
"""Weights below exp(−12) are ignored, which limits the search to a window: a quarter of the map of a 256x256 picture,
a twelfth for 576x768."""


def peaks(centre: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Find the best local maxima: centre `[B, h, w]` → scores `[B, count]`, best first, and y, x int64 `[B, count]`.

    Unused rows have score 0. `count` is limited to the number of cells.
    """
    _, height, width = centre.shape
    margin = PEAK_WINDOW // 2
    greatest = F.max_pool2d(centre[:, None], (PEAK_WINDOW, 1), 1, (margin, 0))
    greatest = F.max_pool2d(greatest, (1, PEAK_WINDOW), 1, (0, margin))[:, 0]
    scores = centre * ((centre - greatest).abs() < PEAK_TOLERANCE)
    best, flat = scores.flatten(1).topk(min(count, height * width))
    return best, flat // width, flat % width


def boxes_at(y: Tensor, x: Tensor, size: Tensor, offset: Tensor, map_size: tuple[int, int]) -> Tensor:
    """Return boxes `[B, K, 4]` (y1, x1, y2, x2), clipped to the map.

    y, x `[B, K]`; size, offset `[B, K, 2]`, height first.
    """
    centre = torch.stack((y, x), -1) + offset
    half = size.clamp_min(0) / 2
    height, width = map_size
    y1, x1 = (centre - half).unbind(-1)
    y2, x2 = (centre + half).unbind(-1)
    return torch.stack((y1.clamp(0, height), x1.clamp(0, width), y2.clamp(0, height), x2.clamp(0, width)), -1)


def refine_keypoints(heatmap: Tensor, joints: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the cell within the person's box where each keypoint's weighted score is greatest.

    heatmap `[B, P, h, w]` scores; joints `[B, K, P, 2]` regressed positions; boxes `[B, K, 4]`, all in cells.
    Returns y, x `[B, K, P]` int64 and scores `[B, K, P]`. A keypoint whose box covers no cell has score 0.
    """
    batch, parts, height, width = heatmap.shape
    people = joints.shape[1]
    spread = SPREAD * max(min(height, width), LEAST_CELLS)
    reach = int((_NEGLIGIBLE * spread) ** 0.5) + 1
    rows, columns = min(2 * reach + 1, height), min(2 * reach + 1, width)

    # The window is centred on the regressed position, moved into the box and then into the map.
    corners = boxes[:, :, None]  # [B, K, 1, 4]
    y, x = joints.unbind(-1)  # [B, K, P]
    top = (y.clamp(corners[..., 0], corners[..., 2]).round().long() - reach).clamp(0, height - rows)
    left = (x.clamp(corners[..., 1], corners[..., 3]).round().long() - reach).clamp(0, width - columns)
    weight_y = _axis_weights(top, rows, y, corners[..., 0], corners[..., 2], spread)  # [B, K, P, rows]
    weight_x = _axis_weights(left, columns, x, corners[..., 1], corners[..., 3], spread)  # [B, K, P, columns]

    # All windows of the map as a view; indexing copies those that are needed as blocks.
    views = heatmap.contiguous().unfold(2, rows, 1).unfold(3, columns, 1)  # [B, P, h', w', rows, columns]
    picture = torch.arange(batch, device=heatmap.device)[:, None, None].expand(batch, people, parts)
    part = torch.arange(parts, device=heatmap.device).expand(batch, people, parts)
    window = views[picture, part, top, left]  # [B, K, P, rows, columns]
    window = window.mul_(weight_y[..., :, None]).mul_(weight_x[..., None, :])
    _, best = window.flatten(-2).max(-1)
    found_y, found_x = top + best // columns, left + best % columns
    score = heatmap[picture, part, found_y, found_x]
    return found_y, found_x, score * _score_weight(found_y, found_x, joints, boxes, spread)


def _axis_weights(start: Tensor, count: int, joint: Tensor, low: Tensor, high: Tensor, spread: float) -> Tensor:
    """Return the factor of the weight along one axis, for `count` cells from `start`; 0 outside the box."""
    cells = start[..., None] + torch.arange(count, device=start.device)
    inside = (cells >= low[..., None]) & (cells < high[..., None])
    return torch.exp(-((cells - joint[..., None]) ** 2) / spread) * inside


def _score_weight(y: Tensor, x: Tensor, joints: Tensor, boxes: Tensor, spread: float) -> Tensor:
    """Return the weight of the score at each found cell: y, x `[B, K, P]` → `[B, K, P]`.

    The graph takes a keypoint's score from the maximum of the weighted maps of all its six people. Here it is the
    maximum over the six best centres and the person's own. With more centres, weak peaks beside a person would raise
    that person's scores (by up to 0.4 for a keypoint); with fewer, scores would differ from the graph's.
    """
    cells = torch.stack((y, x), -1)  # [B, K, P, 2]
    own = _weights(cells, joints, boxes[:, :, None], spread)
    first = slice(0, GRAPH_PEOPLE)
    others = _weights(cells[:, :, None], joints[:, None, first], boxes[:, None, first, None], spread)  # [B, K, 6, P]
    return own.maximum(others.amax(2))


def _weights(cells: Tensor, joints: Tensor, boxes: Tensor, spread: float) -> Tensor:
    """Return the weight of cells (y, x) for regressed joints (y, x) in boxes (y1, x1, y2, x2), with broadcasting."""
    inside = (cells >= boxes[..., :2]).all(-1) & (cells < boxes[..., 2:]).all(-1)
    return torch.exp(-((cells - joints) ** 2).sum(-1) / spread) * inside


def person_scores(centre: Tensor, keypoints: Tensor) -> Tensor:
    """Multiply the centre scores `[B, K]` by the mean score of the keypoints `[B, K, P]` above `KEYPOINT_SCORE`."""
    counted = keypoints > KEYPOINT_SCORE
    total = torch.where(counted, keypoints, torch.zeros_like(keypoints)).sum(-1)
    return centre * total / counted.sum(-1).clamp_min(1)


def overlaps(boxes: Tensor, keypoints: Tensor, sigmas: Tensor) -> Tensor:
    """Return how much each two rows of a picture overlap: the mean of IoU and OKS, `[B, K, K]` in [0, 1].

    boxes `[B, K, 4]` and keypoints `[B, K, 17, 2]` in the same unit, both y first or both x first; sigmas `[17]` are
    `COCO_SIGMAS`, on the same device.
    """
    first, second = boxes[:, :, None], boxes[:, None]
    sides = first[..., 2:].minimum(second[..., 2:]) - first[..., :2].maximum(second[..., :2])
    shared = sides.clamp_min(0).prod(-1)
    area = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    iou = shared / (area[:, :, None] + area[:, None] - shared).clamp_min(1e-6)
    variance = (2 * sigmas).square()
    scale = _BOX_TO_SEGMENT * area[:, :, None].maximum(area[:, None])
    distance = (keypoints[:, :, None] - keypoints[:, None]).square().sum(-1)  # [B, K, K, 17]
    oks = torch.exp(-distance / (2 * scale[..., None] * variance).clamp_min(1e-6)).mean(-1)
    return (iou + oks) / 2


def suppress(scores: Tensor, overlap: Tensor) -> Tensor:
    """Set the scores `[B, K]` of rows that duplicate a better row to 0. overlap `[B, K, K]`.

    This is greedy non-maximum suppression in a fixed number of rounds instead of a loop over rows.
    """
    order = torch.arange(scores.shape[1], device=scores.device)
    better = (scores[:, None] > scores[:, :, None]) | (
        (scores[:, None] == scores[:, :, None]) & (order[None, None] < order[None, :, None])
    )
    rivals = (overlap > DUPLICATE_OVERLAP) & better & (scores[:, None] > 0)  # [B, K, rival]
    kept = torch.ones_like(scores, dtype=torch.bool)
    for _ in range(NMS_ROUNDS):
        kept = ~(rivals & kept[:, None]).any(-1)
    return scores * kept


def best_near(scores: Tensor, expected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the cell of each map where the score, divided by the distance from the expected position, is greatest.

    scores `[B, P, h, w]`; expected `[B, P, 2]` (y, x), also outside the map. Returns y, x int64 and the scores there,
    not divided, `[B, P]`.
    """
    height, width = scores.shape[2:]
    rows = (torch.arange(height, device=scores.device) - expected[..., :1]).square()  # [B, P, h]
    columns = (torch.arange(width, device=scores.device) - expected[..., 1:]).square()  # [B, P, w]
    distance = (rows[..., :, None] + columns[..., None, :]).sqrt_()
    best = (scores / distance.add_(DISTANCE_OFFSET)).flatten(2).argmax(2)
    return best // width, best % width, scores.flatten(2).gather(2, best[..., None])[..., 0]
