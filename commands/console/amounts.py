"""Numbers of things, and sizes, as text."""

from __future__ import annotations

import math

LEAST_MPX = 1e-4
"""Fewer megapixels per second, which no camera has, are shown as 0."""


def counted(number: int, noun: str) -> str:
    """Return the number and the noun, in the plural if needed: `1 camera`, `3 cameras`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def mpx_text(value: float) -> str:
    """Return megapixels per second with two significant digits at least: `0.58 Mpx/s`, `2.3 Mpx/s`, `120 Mpx/s`."""
    if value < LEAST_MPX:
        return "0 Mpx/s"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{value:.{digits}f} Mpx/s"


def size_text(count: float) -> str:
    """Return a number of bytes in decimal units: `12 kB`, `340 MB`, `1.2 GB`."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
