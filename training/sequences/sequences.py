"""Sequences of people's steps: what a detector reports of them, and what is known of their movement."""

from __future__ import annotations

from dataclasses import dataclass

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
