"""Materials of surfaces: colour, pattern, roughness. A pattern is a function of a point in the mesh's rest pose.

Colours are linear light in [0, 1].
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]
Colour = tuple[float, float, float]
Rng = np.random.Generator

PLAIN, STRIPES_ACROSS, STRIPES_DOWN, CHECKS, DOTS, BLOTCHES, TWO_TONE, BANDS = range(8)
"""Kinds of pattern. Stripes run across or down; TWO_TONE changes at a height; BANDS are two bright rings."""

# Columns of a packed material.
(
    RED, GREEN, BLUE, RED_2, GREEN_2, BLUE_2, PATTERN, FREQUENCY, SHARE, PHASE, WRINKLES, GRAIN, SHINE, SOFTNESS,
    PRINT_Y, PRINT_Z, PRINT_HEIGHT, PRINT_WIDTH,
) = range(18)  # fmt: skip
COLUMNS = 18


@dataclass(frozen=True, slots=True)
class Material:
    """A material. `frequency` per metre; `share` of the second colour (for TWO_TONE and BANDS, a height in metres);
    `wrinkles` tilt the surface and `grain` varies its brightness; `shine` in [0, 1]; `softness` lets light bleed around
    edges, as in skin. `print_at`: y, z, height, width in metres of a print in the second colour on the front; none if
    its height is 0."""

    colour: Colour
    second: Colour = (0.0, 0.0, 0.0)
    pattern: int = PLAIN
    frequency: float = 10.0
    share: float = 0.5
    phase: float = 0.0
    wrinkles: float = 0.0
    grain: float = 0.05
    shine: float = 0.0
    softness: float = 0.0
    print_at: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def row(self) -> list[float]:
        return [
            *self.colour,
            *self.second,
            float(self.pattern),
            self.frequency,
            self.share,
            self.phase,
            self.wrinkles,
            self.grain,
            self.shine,
            self.softness,
            *self.print_at,
        ]


def pack(materials: Sequence[Material]) -> Floats:
    """Return materials as a table [M, COLUMNS] for the shader."""
    return np.array([material.row() for material in materials], np.float32).reshape(-1, COLUMNS)


def linear(red: float, green: float, blue: float) -> Colour:
    """Return the linear light of an sRGB colour with components in [0, 1]."""
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue))
    return r, g, b


# Common colours of clothes (sRGB) and how often they occur.
_CLOTH_COLOURS: tuple[tuple[float, float, float, float], ...] = (
    # hue, saturation, value, share
    (0.0, 0.02, 0.10, 3.0),  # black
    (0.0, 0.02, 0.30, 1.5),  # charcoal
    (0.0, 0.02, 0.55, 1.2),  # grey
    (0.0, 0.01, 0.92, 2.0),  # white
    (0.62, 0.55, 0.28, 2.0),  # navy
    (0.60, 0.45, 0.50, 1.5),  # denim
    (0.58, 0.35, 0.75, 1.0),  # light blue
    (0.10, 0.35, 0.65, 1.0),  # beige
    (0.07, 0.50, 0.35, 0.8),  # brown
    (0.22, 0.35, 0.35, 0.8),  # olive
    (0.0, 0.75, 0.60, 1.0),  # red
    (0.97, 0.45, 0.75, 0.6),  # pink
    (0.14, 0.80, 0.85, 0.5),  # yellow
    (0.38, 0.60, 0.40, 0.6),  # green
    (0.06, 0.85, 0.85, 0.4),  # orange
    (0.78, 0.40, 0.45, 0.5),  # purple
)
_SKIN_TONES: tuple[tuple[float, float, float], ...] = (
    (0.96, 0.80, 0.71), (0.92, 0.74, 0.62), (0.86, 0.67, 0.53), (0.78, 0.57, 0.42), (0.66, 0.45, 0.31),
    (0.52, 0.34, 0.23), (0.40, 0.25, 0.17), (0.29, 0.18, 0.13),
)  # fmt: skip
_HAIR_TONES: tuple[tuple[float, float, float], ...] = (
    (0.07, 0.06, 0.06), (0.13, 0.09, 0.07), (0.23, 0.15, 0.10), (0.36, 0.24, 0.14), (0.62, 0.48, 0.29),
    (0.42, 0.18, 0.09), (0.55, 0.54, 0.52), (0.80, 0.78, 0.75),
)  # fmt: skip


def cloth_colour(rng: Rng) -> Colour:
    """Draw a colour of clothes, as linear light."""
    table = np.array(_CLOTH_COLOURS)
    hue, saturation, value, _ = table[rng.choice(len(table), p=table[:, 3] / table[:, 3].sum())]
    hue = (hue + rng.normal(0, 0.02)) % 1.0
    saturation = float(np.clip(saturation * rng.uniform(0.7, 1.3) + rng.uniform(0, 0.03), 0, 1))
    value = float(np.clip(value * rng.uniform(0.75, 1.25), 0.04, 0.97))
    return linear(*colorsys.hsv_to_rgb(float(hue), saturation, value))


def draw_cloth(rng: Rng, *, plain: float = 0.5, print_share: float = 0.0, chest: float = 0.0) -> Material:
    """Draw a fabric. `plain`: probability of no pattern; `print_share`: probability of a print on a plain one, at the
    height `chest` in metres."""
    colour, second = cloth_colour(rng), cloth_colour(rng)
    if rng.random() < 0.6:  # most patterns are tone in tone
        share = rng.uniform(0.25, 0.6)
        r, g, b = (a + share * (b - a) for a, b in zip(colour, second, strict=True))
        second = (r, g, b)
    cloth = Material(
        colour=colour,
        second=second,
        wrinkles=rng.uniform(0.15, 0.6),
        grain=rng.uniform(0.02, 0.15),
        shine=0.25 if rng.random() < 0.07 else rng.uniform(0.0, 0.04),
        phase=rng.random(),
    )
    if rng.random() < plain:
        if rng.random() < print_share:
            where = (chest + rng.normal(0, 0.03), rng.normal(0, 0.02), rng.uniform(0.03, 0.14), rng.uniform(0.06, 0.13))
            cloth = replace(cloth, print_at=where)
        return cloth
    pattern = int(
        rng.choice(
            [STRIPES_ACROSS, STRIPES_DOWN, CHECKS, DOTS, BLOTCHES, TWO_TONE], p=[0.25, 0.15, 0.25, 0.1, 0.1, 0.15]
        )
    )
    if pattern == TWO_TONE:
        return replace(cloth, pattern=pattern, share=chest + rng.normal(-0.05, 0.08))
    frequency = rng.uniform(6, 25) if pattern != BLOTCHES else rng.uniform(4, 12)
    return replace(cloth, pattern=pattern, frequency=frequency, share=rng.uniform(0.2, 0.6))


def draw_skin(rng: Rng, dark: float) -> Material:
    """Draw skin; `dark` in [0, 1] is the share of dark-skinned ancestry."""
    place = np.clip(dark * 7 + rng.normal(0, 1.2) + (1 - dark) * rng.uniform(0, 3), 0, 6.99)
    tones = np.array(_SKIN_TONES)
    tone = tones[int(place)] + (place % 1) * (tones[int(place) + 1] - tones[int(place)])
    tone = np.clip(tone * rng.normal(1, 0.03, 3), 0, 1)
    return Material(linear(*tone), grain=0.08, shine=rng.uniform(0.04, 0.15), softness=0.3, wrinkles=0.05)


def draw_hair(rng: Rng, old: float, dark: float) -> Material:
    """Draw hair. `old` in [0, 1] makes grey more likely, `dark` in [0, 1] black."""
    if rng.random() < old:
        index = int(rng.integers(6, 8))
    elif rng.random() < 0.3 + 0.6 * dark:
        index = int(rng.integers(0, 2))
    else:
        index = int(rng.integers(0, 6))
    tone = np.clip(np.array(_HAIR_TONES[index]) * rng.uniform(0.8, 1.25), 0, 1)
    return Material(linear(*tone), grain=0.5, shine=rng.uniform(0.05, 0.25), wrinkles=0.6)
