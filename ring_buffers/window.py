"""The sliding window's schedule: which of a person's two states starts anew at a step, and which one answers.

Pure arithmetic on the track's own step count n (from 0); it owns nothing (docs/method.md, the sliding window).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class WindowStep(NamedTuple):
    """What happens at one step: reset state A or B before it, and which state (0 is A, 1 is B) answers after it."""

    reset_a: bool
    reset_b: bool
    answer: int
    seen: int
    """Steps that the answering state has seen, this one included."""


@dataclass(frozen=True, slots=True)
class StaggeredWindow:
    """Two states that start anew alternately, W/2 steps apart; the older one answers.

    Every answer has seen between W/2 + 1 and W steps (all n + 1 of them before step W), at the cost of two steps of
    the network whatever W is. A starts anew before n ≡ 0 (mod W), B before n ≡ W/2 (mod W).
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(f"a staggered window needs at least 2 steps, not {self.steps}")

    def plan(self, n: int) -> WindowStep:
        """The schedule of step `n` ≥ 0."""
        half = self.steps // 2
        phase = n % self.steps
        if phase < half and n >= self.steps:
            # A is the younger one: B began in the period before, at its phase `half`.
            return WindowStep(phase == 0, False, 1, phase + self.steps - half + 1)
        return WindowStep(phase == 0, phase == half, 0, phase + 1)


@dataclass(frozen=True, slots=True)
class ContinuousWindow:
    """One state that never starts anew: every answer has seen all of the track's steps."""

    def plan(self, n: int) -> WindowStep:
        """The schedule of step `n` ≥ 0."""
        return WindowStep(n == 0, False, 0, n + 1)
