"""Background: what a camera sees while nothing moves, learned from its small pictures.

A cell's difference is the mean square of the differences of its pixels from the background, in levels from 0 to 255.
The cell moves where its difference exceeds a multiple of its noise, which is learned as well.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 1.0
"""Change of a cell, in levels, below which the light counts as unchanged."""
NEAR, NEAR_SHARE = 4.0, 0.3
"""The light is unchanged if the cells that change by fewer levels do not change with a gain or an offset, and are at
least this share of all cells."""
SCALES = (24.0, 8.0, 4.0)
"""Levels by which a cell may differ from an estimate before it counts much less, in three passes."""
GAIN_PRIOR = 4.0**2
"""Variance of the levels of a picture's cells below which a gain cannot be told from an offset."""
UNSATURATED, SATURATED_WEIGHT = 105.0, 0.02
"""Cells further from the middle than the first are often saturated, and then keep their level. They hardly count,
unless most of the picture is dark or bright."""
MIDDLE = 128.0
"""Level from which others are measured here, which keeps the precision of float32."""

Levels = NDArray[np.float32]


class Light(NamedTuple):
    """A level of 0 to 255 becomes `gain` x level + `offset`."""

    gain: float
    offset: float
    mean: float
    """Mean change of the cells, in levels."""
    most: float
    """Largest change of a cell, in levels."""


UNCHANGED = Light(1.0, 0.0, 0.0, 0.0)


def light_change(before: Levels, now: Levels) -> Light:
    """Estimate the change from the mean levels of the cells: float32 [cells] each.

    It is the weighted least squares line. Cells that move are far from it and hardly count.
    """
    before = before - MIDDLE
    now = now - MIDDLE
    known = np.abs(before) < UNSATURATED
    if _unchanged(before, now - before, known):
        return UNCHANGED
    counts = np.where(known & (np.abs(now) < UNSATURATED), np.float32(1), np.float32(SATURATED_WEIGHT))
    light = UNCHANGED
    for scale in SCALES:
        light = _line(before, now, counts, light, scale)
    return light._replace(offset=light.offset + MIDDLE * (1 - light.gain))


def _unchanged(before: Levels, change: Levels, known: NDArray[np.bool_]) -> bool:
    """Return whether the cells that change little show that the light did not change, which takes half the time."""
    near = known & (np.abs(change) < NEAR)
    before, change = before[near], change[near]
    count = len(before)
    if count < NEAR_SHARE * len(near):
        return False
    mean_before, mean_change = float(before.sum()) / count, float(change.sum()) / count
    variance = float(before.dot(before)) / count - mean_before**2
    slope = (float(before.dot(change)) / count - mean_before * mean_change) / (variance + GAIN_PRIOR)
    return max(abs(mean_change + slope * (end - mean_before)) for end in (-MIDDLE, MIDDLE)) < LEAST


def _line(before: Levels, now: Levels, counts: Levels, light: Light, scale: float) -> Light:
    """Return the line with weights by the distances from another line, for levels measured from `MIDDLE`."""
    weights = now - before * light.gain
    weights -= light.offset
    weights *= 1 / scale
    weights *= weights
    weights += 1
    weights *= weights
    np.divide(counts, weights, out=weights)
    weights *= 1 / float(weights.sum())
    weighted = weights * before
    mean_before, mean_now = float(weighted.sum()), float(weights.dot(now))
    variance = float(weighted.dot(before)) - mean_before**2
    covariance = float(weighted.dot(now)) - mean_before * mean_now
    gain = (covariance + GAIN_PRIOR) / (variance + GAIN_PRIOR)
    offset = mean_now - gain * mean_before
    change = before * (gain - 1)
    change += offset
    np.abs(change, out=change)
    return Light(gain, offset, float(change.sum()) / len(change), float(change.max()))


RATIO = 8.0
"""A cell moves if its difference is this many times its noise: compression often causes large differences."""
STRONG = 2.5
"""A cell without a moving neighbour needs this many times as much."""
LEAST_NOISE = 0.9**2
"""A cell in which nothing flickers moves if all of it changes by 2.5 levels, or a sixth of it by 6.5."""
FIRST_NOISE = 2.0**2
"""Noise of all cells at first: streams often begin with their worst pictures."""
MOST_NOISE = 10.0**2
"""Noise of cells in which trees sway or lamps flicker, at most: a cell that changes by 28 levels always moves."""
EVEN = 0.5
"""A cell's noise is at least this share of the median cell's: encoders freeze a cell for seconds, then renew it."""
QUIET_SHARE, QUIET_RATIO, MOST_SHARED_NOISE = 0.2, 1.5, 6.0**2
"""All cells have more noise in a frame where even the quietest fifth has, as at keyframes, or when it gets dark. Where
all have equal noise, the median is that much above the quietest fifth."""
RATE_PER_S = 0.15
"""Rate at which the logarithm of a cell's noise follows the median of its differences. A swaying tree stops moving
after 10 to 20 s, and people who pass have little effect."""
FIRST_FALL_PER_S, FIRST_S = 2.0, 3.0
"""Additional rate at which noise falls at first, and how long."""

LEARN_S, LEARN_MOVING_S = 5.0, 30.0
"""Time constants of the background, where nothing moves and elsewhere."""
RECENT_S, STILL_S = 0.7, 2.5
"""What differs from the background, but no longer from a mean of recent pictures with this time constant, becomes
background after this time: people who stand still, and the places that they left."""
LONGEST_STEP_S = 1.0
"""A frame after a gap counts for at most this time, so that it cannot replace the background."""

EVERYTHING_SHARE = 0.5
"""The picture changed as a whole if more of its cells move."""
TURNED_SHARE, TURNED_TEXTURES, TURNED_NOISE = 0.15, 0.6, 2.0
"""A smaller share is enough if this share of the textured cells moves, or if even the quietest fifth of the cells has
this many times its usual noise: the camera turned."""
MOST_LIGHT = 8.0
"""The picture changed as a whole if the light changes its cells by more levels on average."""
TEXTURED = 4.0
"""A cell has texture if its variance is this many times the difference that moves it."""
UNEXPLAINED, LEAST_GAIN = 0.1, 0.4
"""A cell with texture is only lit differently if a gain of at least the second and an offset explain the rest of its
difference."""

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]
Cells = NDArray[np.intp]
NONE: Cells = np.zeros(0, np.intp)


class Background:
    """Compares the small pictures of one epoch, in order of media time. Its memory is constant.

    `current`: float32 [pixels of a cell, cells], cells row by row. Fill it with the picture's levels before each step.
    """

    def __init__(self, rows: int, columns: int, pixels: int) -> None:
        """`pixels`: of a cell."""
        cells = rows * columns
        self._levels = np.zeros((3, pixels, cells), np.float32)
        """Background, mean of recent pictures, current picture: one array, because calls take longer than sums."""
        self._background, self._recent, self.current = self._levels
        self._differences = np.zeros((2, pixels, cells), np.float32)
        """Current picture less the other two."""
        self._rates = np.zeros((2, 1, cells), np.float32)
        """Shares of the differences that the two learn."""
        self._noise = np.full(cells, FIRST_NOISE, np.float32)
        self._still_s = np.zeros(cells, np.float32)
        self._bordered = np.zeros((rows + 2, columns + 2), np.bool_)
        """The grid with a border in which nothing moves."""
        self._last_us: int | None = None
        self._age_s = 0.0

    def step(self, media_us: int) -> Flags | None:
        """Return which cells move: bool [cells]; None if the picture is the first or changed as a whole."""
        if self._last_us is None:
            self._last_us = media_us
            return self._restart()
        passed_s = min(max(media_us - self._last_us, 0) / 1e6, LONGEST_STEP_S)
        self._last_us = media_us
        self._age_s += passed_s
        before, _, now = _means(self._levels, 1)
        light = light_change(before, now)
        if light.mean > MOST_LIGHT:
            return self._restart()
        forgiven = self._relight(light) if light.most > LEAST else None
        np.subtract(self.current, self._levels[:2], out=self._differences)
        difference, change = _mean_products(self._differences, self._differences)
        noise, shared = self._noise_now(difference)
        limit = RATIO * noise
        moving = difference > limit
        lit = NONE
        if share := int(np.count_nonzero(moving)) / len(moving):
            turned = share > TURNED_SHARE and (shared > TURNED_NOISE or self._turned(moving, limit))
            if turned or share > EVERYTHING_SHARE:
                return self._restart()
            lit = self._lit(np.flatnonzero(moving), difference, limit)
            moving[lit] = False
            moving &= self._beside(moving) | (difference > STRONG * limit)
        self._learn_noise(difference, passed_s)
        self._learn(moving, change > limit, passed_s)
        if forgiven is not None:
            self._background[:, moving] -= forgiven[:, moving]
        if len(lit):
            self._background[:, lit] = self._recent[:, lit] = self.current[:, lit]
        return moving

    def _restart(self) -> None:
        """Take the current picture as background."""
        self._levels[:2] = self.current
        self._still_s[:] = 0

    def _relight(self, light: Light) -> Floats:
        """Change the light of the background. Return the errors that were forgiven, like `current`.

        A pixel's error may be as large as its change: lamps, screens and saturated pixels keep their level, and
        cameras do not respond linearly.
        """
        most = self._background * (light.gain - 1)
        most += light.offset
        np.abs(most, out=most)
        learned = self._levels[:2]
        learned *= light.gain
        learned += light.offset
        forgiven = np.clip(self.current - self._background, -most, most)
        learned += forgiven
        return forgiven

    def _noise_now(self, difference: Floats) -> tuple[Floats, float]:
        """Return the cells' noise in this frame, and by how much all cells have more than usual, at least 1."""
        noise = np.maximum(self._noise, EVEN * _quantile(self._noise, 0.5))
        shared = QUIET_RATIO * _quantile(difference / noise, QUIET_SHARE)
        if shared > 1:
            np.maximum(noise, np.minimum(noise * shared, MOST_SHARED_NOISE), out=noise)
        return noise, max(shared, 1)

    def _turned(self, moving: Flags, limit: Floats) -> bool:
        """Return whether most of the textured cells move: a plain wall looks the same wherever the camera points."""
        deviations = self._background - _means(self._background)
        textured = _mean_products(deviations, deviations) > TEXTURED * limit
        return int(np.count_nonzero(moving & textured)) > TURNED_TEXTURES * max(int(np.count_nonzero(textured)), 1)

    def _lit(self, cells: Cells, difference: Floats, limit: Floats) -> Cells:
        """Return those of these cells that are only lit differently."""
        before, now = self._background.take(cells, 1), self.current.take(cells, 1)
        before -= _means(before)
        now -= _means(now)
        texture, common = _mean_products(before, before), _mean_products(before, now)
        gain = common / np.maximum(texture, LEAST_NOISE)
        unexplained = _mean_products(now, now) - gain * common
        difference, limit = difference[cells], limit[cells]
        most = np.minimum(np.maximum(UNEXPLAINED * difference, limit / RATIO), limit)
        return cells[(unexplained < most) & (texture > TEXTURED * limit) & (gain > LEAST_GAIN)]

    def _beside(self, moving: Flags) -> Flags:
        """Return whether a cell's neighbour moves, left, right, above or below."""
        grid = self._bordered
        inner = grid[1:-1, 1:-1]
        inner[:] = moving.reshape(inner.shape)
        beside = grid[1:-1, :-2] | grid[1:-1, 2:]
        beside |= grid[:-2, 1:-1]
        beside |= grid[2:, 1:-1]
        return beside.ravel()

    def _learn_noise(self, difference: Floats, passed_s: float) -> None:
        fall = RATE_PER_S + (FIRST_FALL_PER_S if self._age_s < FIRST_S else 0)
        rises, falls = np.float32(math.exp(RATE_PER_S * passed_s)), np.float32(math.exp(-fall * passed_s))
        self._noise *= np.where(difference > self._noise, rises, falls)
        np.maximum(self._noise, LEAST_NOISE, out=self._noise)
        np.minimum(self._noise, MOST_NOISE, out=self._noise)

    def _learn(self, moving: Flags, changing: Flags, passed_s: float) -> None:
        """Adapt the background and the mean of recent pictures."""
        slow, fast = np.float32(_learned(LEARN_MOVING_S, passed_s)), np.float32(_learned(LEARN_S, passed_s))
        self._rates[0] = np.where(moving, slow, fast)
        self._rates[1] = _learned(RECENT_S, passed_s)
        self._differences *= self._rates
        self._levels[:2] += self._differences
        self._still_s += np.where(changing, np.float32(-passed_s), np.float32(passed_s))
        self._still_s *= moving
        np.maximum(self._still_s, 0, out=self._still_s)
        settled = self._still_s >= STILL_S
        if settled.any():
            self._background[:, settled] = self._recent[:, settled]


def _means(pixels: Floats, axis: int = 0) -> Floats:
    """Return the means over the pixels of each cell."""
    means = np.add.reduce(pixels, axis)
    means *= 1 / pixels.shape[axis]
    return means


def _mean_products(first: Floats, second: Floats) -> Floats:
    """Return the means of the products over the pixels of each cell: float32 [..., pixels, cells] → [..., cells]."""
    products = np.einsum("...ij,...ij->...j", first, second)
    products *= 1 / first.shape[-2]
    return products


def _quantile(values: NDArray[np.floating], share: float) -> float:
    """Return the value below which this share of the values is."""
    rank = int(share * len(values))
    return float(np.partition(values, rank)[rank])


def _learned(time_s: float, passed_s: float) -> float:
    """Return the share of a difference that a mean with this time constant learns."""
    return 1 - math.exp(-passed_s / time_s)
