"""Smoothing: labels that don't flicker, from scores that do. Pure, in media time; a person's smoother dies with them.

Action labels for events pass an exponential average whose time constant belongs to the label: short actions (a jump, a
kick) little, long ones (to stand, to sit) more, though not much: the action model has seen the last seconds itself, and
what is averaged once more comes late. Part states have hysteresis: one threshold to come into force, a lower one to
leave it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHORT_SECONDS = 0.15
"""Time constant of actions that are over within a second: more would swallow them."""


def _default_constants() -> dict[str, float]:
    short = ("jump", "kick", "punch", "cartwheel", "throw", "fall")
    return dict.fromkeys(short, SHORT_SECONDS) | {"wave": 0.3, "clap": 0.3}


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """How labels are steadied. It is data: a checkpoint may bring its own."""

    default_seconds: float = 0.2
    """Time constant of an action that `seconds` doesn't name. On footage 0.2 keeps what is right of people who stand
    better than 0.6 and still takes away a third to a half of the changes of label (docs/footage.md)."""
    seconds: Mapping[str, float] = field(default_factory=_default_constants)
    margin: float = 0.1
    """A new label must lead the present one by this much (smoothed probability): two equals don't alternate."""
    state_on: float = 0.5
    """A part state comes into force at this smoothed score …"""
    state_off: float = 0.35
    """… and leaves below this one."""
    state_seconds: float = 0.15
    """Time constant of part-state scores."""

    def __post_init__(self) -> None:
        if not 0 <= self.state_off <= self.state_on <= 1:
            raise ValueError("smoothing: need 0 ≤ state_off ≤ state_on ≤ 1")
        if min([self.default_seconds, self.state_seconds, *self.seconds.values()]) < 0:
            raise ValueError("smoothing: time constants must not be negative")

    def to_json(self) -> str:
        """For a checkpoint's metadata."""
        return json.dumps(dataclasses.asdict(self) | {"seconds": dict(self.seconds)}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> SmoothingConfig:
        """Read what `to_json` wrote. Raises `ValueError` where it isn't that."""
        content: Any = json.loads(text)
        known = {entry.name for entry in dataclasses.fields(SmoothingConfig)}
        if not isinstance(content, dict) or set(content) - known:
            raise ValueError(f"smoothing: must be an object with fields among {sorted(known)}")
        return SmoothingConfig(**content)

    def time_constants(self, actions: Sequence[str]) -> NDArray[np.float64]:
        """Seconds for each action, float64 [actions]."""
        return np.array([self.seconds.get(action, self.default_seconds) for action in actions], np.float64)


class ActionSmoother:
    """The smoothed action of one person."""

    def __init__(self, config: SmoothingConfig, actions: Sequence[str]) -> None:
        self._margin = config.margin
        self._constants = np.maximum(config.time_constants(actions), 1e-6)
        self._average: NDArray[np.float64] | None = None
        self._last_us = 0
        self._label = 0

    def update(self, probabilities: NDArray[np.floating], media_us: int) -> tuple[int, float]:
        """A step's probabilities [actions] → the smoothed label's index and its smoothed probability."""
        now = np.asarray(probabilities, np.float64)
        if self._average is None:
            self._average = now.copy()
            self._label = int(now.argmax())
        else:
            elapsed = max(media_us - self._last_us, 0) * 1e-6
            self._average += (1 - np.exp(-elapsed / self._constants)) * (now - self._average)
            best = int(self._average.argmax())
            if self._average[best] >= self._average[self._label] + self._margin:
                self._label = best
        self._last_us = media_us
        return self._label, float(self._average[self._label])


class StateHysteresis:
    """Which part states of one person are in force."""

    def __init__(self, config: SmoothingConfig) -> None:
        self._config = config
        self._average: NDArray[np.float32] | None = None
        self._on: NDArray[np.bool_] | None = None
        self._last_us = 0

    def update(
        self, scores: NDArray[np.float32], present: NDArray[np.bool_], media_us: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """A step's scores [parts, states] and which parts were seen [parts] → in force bool [parts, states] and the
        smoothed scores. A part that wasn't seen keeps what it had.
        """
        if self._average is None or self._on is None:
            self._average = np.where(present[:, None], scores, np.float32(0))
            self._on = self._average >= self._config.state_on
        else:
            elapsed = max(media_us - self._last_us, 0) * 1e-6
            share = 1 - math.exp(-elapsed / max(self._config.state_seconds, 1e-6))
            moved = self._average + np.float32(share) * (scores - self._average)
            self._average = np.where(present[:, None], moved, self._average)
            self._on = np.where(
                self._on, self._average >= self._config.state_off, self._average >= self._config.state_on
            )
        self._last_us = media_us
        return self._on, self._average
