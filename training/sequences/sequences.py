"""Sequences of people's steps: what a detector reports of them, and what is known of their movement."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Sequences:
    """N sequences of up to T steps, padded at the end.

    Detections: `keypoints` float32 [N, T, 17, 3] (x, y in pixels, score), `boxes` float32 [N, T, 4], `times_us` int64
    [N, T], `lengths` int64 [N]. Targets: `action` int64 [N, T] in the vocabulary (−1: no target), `states` and
    `states_known` bool [N, T, parts, states], `relevance` and `relevance_known` bool [N, T, parts]. Padded steps repeat
    the last one, without targets.
    """

    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    times_us: NDArray[np.int64]
    lengths: NDArray[np.int64]
    action: NDArray[np.int64]
    states: NDArray[np.bool_]
    states_known: NDArray[np.bool_]
    relevance: NDArray[np.bool_]
    relevance_known: NDArray[np.bool_]

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which steps are not padding, [N, T]."""
        return np.arange(self.action.shape[1]) < self.lengths[:, None]


Made = TypeVar("Made", bound=Sequences)


def without_steps(sequences: Made, lost: NDArray[np.bool_]) -> Made:
    """Return the sequences without the `lost` steps, bool [N, T], as if their frames had been dropped.

    The last step of each stays, because sequences are drawn by their last action. Padding takes the place of lost steps
    at the end.
    """
    keep = sequences.real & ~lost
    keep[np.arange(len(keep)), sequences.lengths - 1] = True
    lengths = keep.sum(1)
    kept_first = np.argsort(~keep, axis=1, kind="stable")
    steps = np.take_along_axis(kept_first, np.minimum(np.arange(keep.shape[1]), lengths[:, None] - 1), axis=1)
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(sequences):
        values: NDArray[Any] = getattr(sequences, field.name)
        if values.shape[:2] == keep.shape:
            changed[field.name] = values[np.arange(len(keep))[:, None], steps]
    padding = np.arange(keep.shape[1]) >= lengths[:, None]
    changed["action"][padding] = -1
    for name in ("states_known", "relevance_known"):
        changed[name][padding] = False
    return dataclasses.replace(sequences, lengths=lengths, **changed)
