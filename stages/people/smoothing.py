"""Smoothing of a person's action labels and part states over media time.

Action labels for events come from an exponential average whose time constant depends on the label: short for short
actions (jump, kick), longer for long ones (stand, sit). Time constants are small, because the action model already sees
the last seconds and further averaging delays labels. Part states have hysteresis: they become active above one
threshold and inactive below a lower one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SHORT_SECONDS = 0.15
"""Time constant of actions that last less than a second; a longer one would suppress them."""


def _default_constants() -> dict[str, float]:
    short = ("jump", "kick", "punch", "cartwheel", "throw", "fall")
    return dict.fromkeys(short, SHORT_SECONDS) | {"wave": 0.3, "clap": 0.3}


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """Settings of smoothing; a checkpoint may contain its own."""

    default_seconds: float = 0.2
    """Time constant of actions that are not in `seconds`. On footage of standing people, 0.2 keeps more correct labels
    than 0.6 and still removes a third to a half of the label changes (docs/footage.md)."""
    seconds: Mapping[str, float] = field(default_factory=_default_constants)
    onset: Mapping[str, float] = field(default_factory=dict[str, float])
    """Smoothed scores that actions must reach to become the label; 0 for the others. Until then a person keeps the
    current label; a new person gets the most likely action that has reached its own. A high one makes false events of
    an action rarer, and all its events later."""
    margin: float = 0.1
    """A new label must lead the current one by this much smoothed probability, so that similar ones don't alternate."""
    state_on: float = 0.5
    """Smoothed score at which a part state becomes active."""
    state_off: float = 0.35
    """Smoothed score below which a part state becomes inactive."""
    state_seconds: float = 0.15
    """Time constant of part-state scores."""

    def __post_init__(self) -> None:
        if not 0 <= self.state_off <= self.state_on <= 1:
            raise ValueError("smoothing: need 0 ≤ state_off ≤ state_on ≤ 1")
        if min([self.default_seconds, self.state_seconds, *self.seconds.values()]) < 0:
            raise ValueError("smoothing: time constants must not be negative")
        if not all(0 <= score < 1 for score in self.onset.values()):
            raise ValueError("smoothing: scores in `onset` must be at least 0 and less than 1")

    def time_constants(self, actions: Sequence[str]) -> NDArray[np.float64]:
        """Return the time constant of each action in seconds, float64 [actions]."""
        return np.array([self.seconds.get(action, self.default_seconds) for action in actions], np.float64)

    def onsets(self, actions: Sequence[str]) -> NDArray[np.float64]:
        """Return the smoothed score that each action must reach to become the label, float64 [actions]."""
        return np.array([self.onset.get(action, 0.0) for action in actions], np.float64)


class ActionSmoother:
    """The smoothed action of one person."""

    def __init__(self, config: SmoothingConfig, actions: Sequence[str]) -> None:
        self._margin = config.margin
        self._constants = np.maximum(config.time_constants(actions), 1e-6)
        self._onset = config.onsets(actions)
        self._average: NDArray[np.float64] | None = None
        self._last_us = 0
        self._label = 0

    def update(self, probabilities: NDArray[np.floating], media_us: int) -> tuple[int, float]:
        """Add a step's probabilities [actions]; return the smoothed label's index and its smoothed probability."""
        now = np.asarray(probabilities, np.float64)
        if self._average is None:
            self._average = now.copy()
            reached = np.where(now >= self._onset, now, -1.0)
            self._label = int((reached if reached.max() >= 0 else now).argmax())
        else:
            elapsed = max(media_us - self._last_us, 0) * 1e-6
            self._average += (1 - np.exp(-elapsed / self._constants)) * (now - self._average)
            best = int(self._average.argmax())
            leads = self._average[best] >= self._average[self._label] + self._margin
            # The second best does not take the place of an action below its onset: it may be very unlikely.
            if leads and self._average[best] >= self._onset[best]:
                self._label = best
        self._last_us = media_us
        return self._label, float(self._average[self._label])


class StateHysteresis:
    """The active part states of one person."""

    def __init__(self, config: SmoothingConfig) -> None:
        self._config = config
        self._average: NDArray[np.float32] | None = None
        self._active: NDArray[np.bool_] | None = None
        self._last_us = 0

    def update(
        self, scores: NDArray[np.float32], present: NDArray[np.bool_], media_us: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Add a step's scores [parts, states]; return the active states, bool [parts, states], and the smoothed scores.

        `present` [parts]: the parts that were detected. The states of the other parts do not change.
        """
        if self._average is None or self._active is None:
            self._average = np.where(present[:, None], scores, np.float32(0))
            self._active = self._average >= self._config.state_on
        else:
            elapsed = max(media_us - self._last_us, 0) * 1e-6
            share = 1 - math.exp(-elapsed / max(self._config.state_seconds, 1e-6))
            moved = self._average + np.float32(share) * (scores - self._average)
            self._average = np.where(present[:, None], moved, self._average)
            self._active = np.where(
                self._active, self._average >= self._config.state_off, self._average >= self._config.state_on
            )
        self._last_us = media_us
        return self._active, self._average
