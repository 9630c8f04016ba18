"""Leaving steps out of sequences, as if their frames had been dropped."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.sequences import Sequences, without_steps

COUNT, STEPS, PARTS, STATES = 3, 6, 2, 2


def numbered(lengths: list[int]) -> Sequences:
    """Return sequences whose every array says at each step which row and step it is: 10 · row + step."""
    step = 10 * np.arange(COUNT)[:, None] + np.minimum(np.arange(STEPS), np.array(lengths)[:, None] - 1)
    real = np.arange(STEPS) < np.array(lengths)[:, None]
    known = np.broadcast_to(real[..., None, None], (COUNT, STEPS, PARTS, STATES))
    return Sequences(
        keypoints=np.broadcast_to(step[..., None, None], (COUNT, STEPS, 17, 3)).astype(np.float32),
        boxes=np.broadcast_to(step[..., None], (COUNT, STEPS, 4)).astype(np.float32),
        times_us=step.astype(np.int64),
        lengths=np.array(lengths, np.int64),
        action=np.where(real, step, -1),
        states=np.ones(known.shape, bool),
        states_known=known,
        relevance=np.ones(known.shape[:3], bool),
        relevance_known=known[..., 0],
    )


@given(st.lists(st.integers(1, STEPS), min_size=COUNT, max_size=COUNT), arrays(bool, (COUNT, STEPS)))
def test_the_other_steps_stay_in_order_and_the_last_always(lengths: list[int], lost: np.ndarray) -> None:
    made = without_steps(numbered(lengths), lost)
    for row, length in enumerate(lengths):
        kept = [10 * row + step for step in range(length) if step == length - 1 or not lost[row, step]]
        padded = kept + kept[-1:] * (STEPS - len(kept))
        assert made.lengths[row] == len(kept)
        assert made.times_us[row].tolist() == made.keypoints[row, :, 0, 0].tolist() == padded
        assert made.boxes[row, :, 3].tolist() == padded
        assert made.action[row].tolist() == kept + [-1] * (STEPS - len(kept))
        assert made.states_known[row].all((-1, -2)).tolist() == made.real[row].tolist()
        assert made.relevance_known[row].all(-1).tolist() == made.real[row].tolist()
