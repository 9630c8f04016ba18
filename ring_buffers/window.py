"""The sliding window's schedule: which of a person's two states resets at a step, and which one answers.

Arithmetic on the track's own step count n, from 0 (docs/method.md, the sliding window).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class WindowStep(NamedTuple):
    """One step's schedule: the states to reset before it, and the state (0 is A, 1 is B) that answers after it."""

    reset_a: bool
    reset_b: bool
    answer: int
    seen: int
    """Steps that the answering state has seen, this one included."""


@dataclass(frozen=True, slots=True)
class StaggeredWindow:
    """Two states that reset alternately, W/2 steps apart; the older one answers.

    Every answer has seen between W/2 + 1 and W steps (before step W, all n + 1 of them), at the cost of two steps of
    the network for any W. A resets before n ≡ 0 (mod W), B before n ≡ W/2 (mod W).
    """

    steps: int

    def plan(self, n: int) -> WindowStep:
        """Return the schedule of step `n` ≥ 0."""
        half = self.steps // 2
        phase = n % self.steps
        if phase < half and n >= self.steps:
            # A is younger: B was reset at phase `half` of the previous period.
            return WindowStep(phase == 0, False, 1, phase + self.steps - half + 1)
        return WindowStep(phase == 0, phase == half, 0, phase + 1)


@dataclass(frozen=True, slots=True)
class ContinuousWindow:
    """One state that never resets: every answer has seen all of the track's steps."""

    def plan(self, n: int) -> WindowStep:
        """Return the schedule of step `n` ≥ 0."""
        return WindowStep(n == 0, False, 0, n + 1)
