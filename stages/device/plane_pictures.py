"""Conversion of the decoder's YUV 4:2:0 planes to RGB pictures for the detector, on the device.

This does for a whole batch what swscale does in a camera's thread (`ring_buffers.slot_writers.RgbWriter`). The detector
was validated on swscale's pictures, so the results must agree: planes are averaged over the area that each pixel covers
(interpolated bilinearly when enlarged), and chroma has half the width. On real footage values differ by at most 6 of
255; they are 1 to 3 higher, because swscale rounds down in between. tests/parity/test_plane_pictures.py tests this, and
that people and actions stay the same.

It suits devices with fast matrix products: from 720p to 768x432 a CPU takes 31 ms, swscale 1.8 ms. The weights of the
sizes used last are kept on the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ring_buffers.frames import LUMA_SHARES, Colours, SlotFormat
from ring_buffers.transfer import to_device

SIZES_KEPT = 64
"""Pairs of sizes whose weights are kept: four per pair of source and picture format, 0.01 to 3 MB each."""


def device_pictures(stacked: Tensor, format: SlotFormat) -> Tensor:
    """Convert slots of one format for the detector: uint8 [B, *format.shape] → uint8 [B, H, W, 3] RGB.

    `rgb24` slots are returned unchanged.
    """
    if format.pixels == "rgb24":
        return stacked
    assert format.target is not None
    pictures = torch.zeros((len(stacked), *format.target[::-1], 3), dtype=torch.uint8, device=stacked.device)
    width, height = format.content
    pictures[:, :height, :width] = rgb(*_planes(stacked, format.size), format.content, format.colours)
    return pictures


def cut_pictures(
    stacked: Tensor,
    format: SlotFormat,
    cuts: Sequence[tuple[int, int, int, int, int]],
    sizes: Sequence[tuple[int, int]],
) -> list[Tensor]:
    """Convert parts of slots of planes: uint8 `[B, N]` → uint8 `[height, width, 3]` RGB of each of the `sizes`.

    `cuts`: row of the slot, left, top (both even), width and height in the slot's picture. Parts of one size that are
    scaled alike are converted together.
    """
    luma, chroma = _planes(stacked, format.size)
    alike: dict[tuple[int, int, int, int], list[int]] = {}
    for index, ((*_, width, height), size) in enumerate(zip(cuts, sizes, strict=True)):
        alike.setdefault((width, height, *size), []).append(index)
    found: list[Tensor] = [stacked] * len(cuts)
    for (width, height, *size), indices in alike.items():
        places = [cuts[index][:3] for index in indices]
        lumas = torch.stack([luma[row, y : y + height, x : x + width] for row, x, y in places])
        half_width, half_height = (width + 1) // 2, (height + 1) // 2
        chromas = torch.stack(
            [chroma[row, :, y // 2 : y // 2 + half_height, x // 2 : x // 2 + half_width] for row, x, y in places]
        )
        pictures = rgb(lumas, chromas, (size[0], size[1]), format.colours)
        for index, picture in zip(indices, pictures, strict=True):
            found[index] = picture
    return found


def rgb(luma: Tensor, chroma: Tensor, size: tuple[int, int], colours: Colours) -> Tensor:
    """Convert and scale planes to RGB: uint8 [B, height, width, 3] for `size` (width, height).

    luma uint8 [B, h, w]; chroma uint8 [B, 2, ⌈h/2⌉, ⌈w/2⌉] (U, V).
    """
    width, height = size
    unscaled = luma.shape[-2:] == (height, width)
    y = _scaled(luma.float(), (height, width))
    # swscale keeps chroma at half of the picture's width, and at half of its height if nothing is scaled.
    rows = chroma.repeat_interleave(2, -2)[..., :height, :] if unscaled else chroma
    half_width = _scaled(rows.float(), (height, (width + 1) // 2))
    u, v = half_width.repeat_interleave(2, -1)[..., :width].unbind(1)
    red_share, blue_share = LUMA_SHARES[colours.matrix]
    green_share = 1 - red_share - blue_share
    chroma_scale = 1.0 if colours.full_range else 255 / 224
    y = y if colours.full_range else (y - 16) * (255 / 219)
    u, v = (u - 128) * (2 * (1 - blue_share) * chroma_scale), (v - 128) * (2 * (1 - red_share) * chroma_scale)
    green = y - v * (red_share / green_share) - u * (blue_share / green_share)
    return torch.stack((y + v, green, y + u), -1).round_().clamp_(0, 255).to(torch.uint8)


def _planes(stacked: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return views of flat planes [B, N]: luma [B, h, w] and chroma [B, 2, ⌈h/2⌉, ⌈w/2⌉]."""
    width, height = size
    luma = stacked[:, : width * height].unflatten(1, (height, width))
    return luma, stacked[:, width * height :].unflatten(1, (2, (height + 1) // 2, (width + 1) // 2))


def _scaled(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale float32 [..., h, w] to `size` (height, width) by two products with band matrices."""
    height, width = planes.shape[-2:]
    if height != size[0]:
        planes = _weights(height, size[0], planes.device) @ planes
    if width != size[1]:
        planes = planes @ _weights(width, size[1], planes.device).T
    return planes


@lru_cache(maxsize=SIZES_KEPT)
def _weights(source: int, target: int, device: torch.device) -> Tensor:
    """Return the weight of each source pixel in each target pixel: float32 [target, source]; rows sum to 1."""
    weights = area_weights(source, target) if target < source else bilinear_weights(source, target)
    return to_device(weights.astype(np.float32), device)


def area_weights(source: int, target: int) -> np.ndarray:
    """Return the share of each source pixel in the interval that a target pixel covers: [target, source]."""
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return covered.clip(0) * (target / source)


def bilinear_weights(source: int, target: int) -> np.ndarray:
    """Return the weights of the two source pixels nearest to the centre of each target pixel: [target, source]."""
    centres = ((np.arange(target) + 0.5) * (source / target) - 0.5).clip(0, source - 1)
    return (1 - np.abs(centres[:, None] - np.arange(source))).clip(0)
