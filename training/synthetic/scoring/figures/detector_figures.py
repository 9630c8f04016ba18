"""How well the detector sees generated people: recall, and where it puts their joints. Pure."""

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
"""A joint no farther off than this share of the box's longer side is in its place."""


class JointFigures(msgspec.Struct, frozen=True):
    """Joints of one kind. Errors in shares of the true box's longer side; of seen joints but `hidden_score`."""

    median_error: float | None
    near: float | None
    """Share of them no farther off than `NEAR`."""
    seen_score: float | None
    hidden_score: float | None


class DetectorFigures(msgspec.Struct, frozen=True):
    """Counted person-frames, the share of them with a detection over them (IoU .3) and closely over them (.5)."""

    person_frames: int
    recall: float | None
    close_recall: float | None
    joints: dict[str, JointFigures]


def detector_figures(videos: Sequence[DetectorRows]) -> DetectorFigures | None:
    """The figures of all videos together; None where the detector was looked at in none."""
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
