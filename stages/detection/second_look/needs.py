"""Who needs a second look, and whether its keypoints are taken.

The network of the second look finds one person's keypoints in a crop. They are more exact than those of the first look
if the person is small, overlaps another or lies, and are found in many cases where the first look finds nobody at the
place of a tracked person.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.detection.box_overlap import iou
from stages.detection.views.covering import Box
from stages.keypoint_features.skeleton import KEYPOINTS

SMALL = 80.0
"""People whose box's longer side has fewer pixels in the source need a second look, the more the smaller they are."""
UNSURE = 0.3
"""People whose keypoints score less in the mean need one, the more the less sure they are; lying people still more."""
CLOSE = 0.3
"""People whose box overlaps another's with at least this IoU need one."""
SEEN = 0.1
"""Rows that score less are not people."""
SURE = 0.25
"""Rows that score less start no track: MoveNet's `activation_score`."""
PERSON = 0.3
"""Least mean score of keypoints that show a person whom the first look didn't find. In trials, crops without people
scored at most 0.20, and clear people at least 0.32."""
SAME = 0.3
"""Least IoU of the boxes of one person before and after a second look, or in two frames."""
_ROW = 5
"""Columns of a row before its keypoints: box and score."""


class Need(NamedTuple):
    """A person who needs a second look: `row` of the first look, None if it has none; box in its pixels."""

    row: int | None
    box: Box
    need: float


def needs(rows: NDArray[np.float32], expected: Sequence[Box], detail: float) -> list[Need]:
    """Return who needs a second look, most needy first: people who were expected and not found, then others.

    `rows`: the people of one frame, float32 `[n, 56]`. `expected`: where tracked people should be, in the same pixels.
    `detail`: pixels of the source per pixel of `rows`.
    """
    boxes = rows[:, :4]
    found = [
        Need(None, box, 2.0)
        for box in expected
        if overlap_with_people(np.array([box], np.float32), rows).max(initial=0) < SAME
    ]
    overlap = overlap_with_people(boxes, rows)
    np.fill_diagonal(overlap, 0)
    sizes = boxes[:, 2:] - boxes[:, :2]
    longer = sizes.max(1, initial=0) * detail
    scores = mean_scores(rows)
    need = np.maximum(1 - longer / SMALL, 0) + np.maximum(1 - scores / UNSURE, 0)
    need += 0.5 * (overlap.max(1, initial=0) >= CLOSE) + 0.5 * ((sizes[:, 0] > sizes[:, 1]) & (scores < UNSURE))
    for row in np.argsort(-need, kind="stable"):
        if need[row] > 0 and rows[row, 4] >= SEEN:
            x1, y1, x2, y2 = boxes[row].tolist()
            found.append(Need(int(row), (x1, y1, x2, y2), float(need[row])))
    return found


def with_second_look(
    rows: NDArray[np.float32], looked: Sequence[tuple[Need, NDArray[np.float32]]]
) -> NDArray[np.float32]:
    """Return the people `[m, 56]` after second looks at some of them: the keypoints `[17, 3]` found at each.

    They replace less sure ones of the same person. Where nobody was found for sure, somebody is added or made sure of.
    """
    rows = rows.copy()
    for need, keypoints in looked:
        score, box = float(keypoints[:, 2].mean()), box_around(keypoints)
        overlap = overlap_with_people(box[None], rows)[0]
        if need.row is None:
            is_theirs = iou(box[None], np.array([need.box], np.float32))[0, 0] >= SAME
            if score < PERSON or not is_theirs or overlap[rows[:, 4] >= SURE].max(initial=0) >= SAME:
                continue
            if overlap.max(initial=0) < SAME:
                rows = np.concatenate([rows, np.concatenate([box, [score], keypoints.ravel()])[None]], dtype=np.float32)
                continue
            row = int(overlap.argmax())
            rows[row, 4] = max(rows[row, 4], score)
        elif overlap[need.row] >= max(SAME, overlap.max()):
            row = need.row
        else:
            continue
        if score > mean_scores(rows[row][None])[0]:
            rows[row, _ROW:] = keypoints.ravel()
    return rows


def overlap_with_people(boxes: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the IoU `[n, m]` of boxes `[n, 4]` with the people of rows `[m, 56]`; 0 with rows that are no people.

    Of those, some are duplicates of a person, others people whom the first look nearly missed.
    """
    return iou(boxes, rows[:, :4]) * (rows[:, 4] >= SEEN)


def box_around(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the box that MoveNet MultiPose gives people with these keypoints `[17, 3]`: float32 `[4]`.

    In 175 people of films with labels, its box was wider than the keypoints by 0.1 of the longer side along that side
    and by 0.06 across it (medians).
    """
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    size = high - low
    margin = size.max() * np.where(size >= size.max(), 0.1, 0.06)
    return np.concatenate([low - margin, high + margin]).astype(np.float32)


def mean_scores(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean scores `[n]` of the keypoints of rows `[n, 56]`."""
    return rows[:, _ROW:].reshape(len(rows), KEYPOINTS, 3)[..., 2].mean(-1)
