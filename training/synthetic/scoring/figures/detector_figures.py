"""Figures of the detector on generated people: recall and errors of the joints."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from training.synthetic.scoring.judging import DetectorRows

JOINTS: dict[str, tuple[int, ...]] = {
    "face": (0, 1, 2, 3, 4),
    "shoulders": (5, 6),
    "elbows": (7, 8),
    "wrists": (9, 10),
    "hips": (11, 12),
    "knees": (13, 14),
    "ankles": (15, 16),
}
"""Pairs of joints in COCO's order."""
NEAR = 0.1
"""A joint is in place if its error is at most this share of the box's longer side."""


class JointFigures(msgspec.Struct, frozen=True):
    """Joints of one kind. Errors are shares of the true box's longer side; all but `hidden_score` for seen joints."""

    median_error: float | None
    near: float | None
    """Share of joints with an error of at most `NEAR`."""
    seen_score: float | None
    hidden_score: float | None


class DetectorFigures(msgspec.Struct, frozen=True):
    """Counted person-frames, and the shares of them with a detection at an IoU of 0.3 and of 0.5."""

    person_frames: int
    recall: float | None
    close_recall: float | None
    joints: dict[str, JointFigures]


def detector_figures(videos: Sequence[DetectorRows]) -> DetectorFigures | None:
    """Return the figures of all videos together; None without detections."""
    if not videos:
        return None
    people = sum(rows.people for rows in videos)
    errors = np.concatenate([rows.errors for rows in videos])
    scores = np.concatenate([rows.scores for rows in videos])
    seen = np.concatenate([rows.seen for rows in videos])
    kinds = {"all": tuple(range(17)), **JOINTS}
    return DetectorFigures(
        people,
        sum(rows.found for rows in videos) / people if people else None,
        sum(rows.close for rows in videos) / people if people else None,
        {
            kind: _joints(errors[:, picked], scores[:, picked], seen[:, picked])
            for kind, picked in ((kind, list(columns)) for kind, columns in kinds.items())
        },
    )


def _joints(errors: NDArray[np.float32], scores: NDArray[np.float32], seen: NDArray[np.bool_]) -> JointFigures:
    apart = errors[seen]
    return JointFigures(
        _median(apart),
        float((apart <= NEAR).mean()) if len(apart) else None,
        _median(scores[seen]),
        _median(scores[~seen]),
    )


def _median(values: NDArray[np.float32]) -> float | None:
    return float(np.median(values)) if len(values) else None
