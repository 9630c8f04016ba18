"""A camera's effect on light: exposure, white balance, lens blur, vignette, sensor noise, tone curve, compression."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.synthetic.rendering.surfaces.compiled import compiled
from training.synthetic.rendering.surfaces.materials import Floats, Rng

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Effects:
    """A camera's properties. `exposure` multiplies light after the picture's mean was scaled to middle grey; `balance`
    multiplies red, green, blue; `blur`: standard deviation in pixels; `vignette`: share of light lost in the corners;
    `noise`: standard deviation of a middle grey pixel, in grey levels; `contrast` and `saturation`: 1 is neutral;
    `sharpening`: 0 is none; `jpeg`: quality, 0 for no compression."""

    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.5
    vignette: float = 0.0
    noise: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    sharpening: float = 0.0
    jpeg: int = 0


def draw_effects(rng: Rng) -> Effects:
    """Draw a camera, from good to poor. A clip has one camera."""
    poor = rng.random() < 0.25
    return Effects(
        exposure=float(np.exp(rng.normal(0.0, 0.2))),
        balance=tuple(np.exp(rng.normal(0, 0.06, 3)).tolist()),
        blur=float(rng.uniform(0.5, 0.9) if poor else rng.uniform(0.3, 0.6)),
        vignette=float(rng.uniform(0, 0.35)) if rng.random() < 0.5 else 0.0,
        noise=float(rng.uniform(3, 7) if poor else rng.uniform(0.5, 3)),
        contrast=float(np.exp(rng.normal(0.05, 0.1))),
        saturation=float(rng.choice([0.0, 1.0], p=[0.05, 0.95]) * rng.uniform(0.6, 1.25)),
        sharpening=float(rng.uniform(0.2, 1.0)) if rng.random() < 0.4 else 0.0,
        jpeg=int(rng.integers(35, 70) if poor else rng.integers(65, 96)) if rng.random() < 0.7 else 0,
    )


MIDDLE_GREY = 0.2
"""The linear light to which a picture's mean is scaled."""


def meter(light: Floats) -> float:
    """Return the factor that scales a picture's light [H, W, 3] to middle grey.

    A clip uses one value, or one that changes slowly, as in real cameras.
    """
    bright = np.minimum(light.mean(-1), 4 * float(np.median(light)) + 1e-3)
    return float(MIDDLE_GREY / max(float(bright.mean()), 1e-4))


def develop(light: Floats, effects: Effects, gain: float, rng: Rng) -> Pixels:
    """Return the picture, uint8 [H, W, 3], of linear light [H, W, 3]. `gain`: the result of `meter`."""
    height, width = light.shape[:2]
    out = light * (np.array(effects.balance, np.float32) * np.float32(effects.exposure * gain))
    if effects.vignette > 0:
        y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
        out = out * (1 - np.float32(effects.vignette / 2) * (y[:, None] ** 2 + x[None] ** 2))[..., None]
    if effects.blur > 0:
        out = blurred(out, effects.blur)
    noise = rng.standard_normal(out.shape, dtype=np.float32)
    out = _toned(out.astype(np.float32), noise, effects.noise, _curve(effects.contrast), effects.saturation)
    if effects.sharpening > 0:
        out = out + np.float32(effects.sharpening) * (out - blurred(out, 1.0))
    picture = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    return _compressed(picture, effects.jpeg) if effects.jpeg else picture


_CURVE_STEPS = 4096
"""Steps of the tone curve's table, for linear light from 0 to 4."""


def _curve(contrast: float) -> Floats:
    """Return grey levels of linear light: a soft shoulder, the display's gamma curve, contrast."""
    light = np.linspace(0, 4, _CURVE_STEPS)
    light = np.where(light > 0.6, 0.6 + 0.4 * (1 - np.exp(-(light - 0.6) / 0.4)), light)
    return (118 + contrast * (255 * light ** (1 / 2.2) - 118)).astype(np.float32)


@compiled
def _toned(light: Floats, noise: Floats, level: float, curve: Floats, saturation: float) -> Floats:
    """Return grey levels [H, W, 3] in [0, 255] of linear light, with sensor noise."""
    height, width, _ = light.shape
    out = np.empty_like(light)
    last = curve.shape[0] - 1
    for row in range(height):
        for column in range(width):
            mean = (light[row, column, 0] + light[row, column, 1] + light[row, column, 2]) / 3
            for channel in range(3):
                value = mean + saturation * (light[row, column, channel] - mean)
                step = min(float(last), max(0.0, value * (last / 4)))
                low = min(last - 1, int(step))
                grey = curve[low] + (step - low) * (curve[low + 1] - curve[low])
                # Shot noise grows with the square root of light; after the gamma curve, shadows are noisier.
                spread = level * (1.25 - 0.5 * max(0.0, min(1.0, grey / 255)))
                out[row, column, channel] = grey + spread * noise[row, column, channel]
    return out


def blurred(picture: Floats, sigma: float) -> Floats:
    """Return [H, W, 3] with a Gaussian blur of `sigma` pixels; edge pixels are repeated outwards."""
    reach = max(1, int(np.ceil(2.5 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return _convolved(np.ascontiguousarray(picture, np.float32), (taps / taps.sum()).astype(np.float32))


@compiled
def _convolved(picture: Floats, taps: Floats) -> Floats:
    height, width, _ = picture.shape
    reach = taps.shape[0] // 2
    across = np.zeros_like(picture)
    for row in range(height):
        for column in range(width):
            for k in range(-reach, reach + 1):
                other = min(width - 1, max(0, column + k))
                for channel in range(3):
                    across[row, column, channel] += taps[k + reach] * picture[row, other, channel]
    out = np.zeros_like(picture)
    for row in range(height):
        for k in range(-reach, reach + 1):
            other = min(height - 1, max(0, row + k))
            for column in range(width):
                for channel in range(3):
                    out[row, column, channel] += taps[k + reach] * across[other, column, channel]
    return out


def _compressed(picture: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
