"""Plane pictures: from the decoder's YUV 4:2:0 planes to the RGB pictures that a detector sees, where the planes lie.

What swscale does in a camera's thread for pictures that the CPU analyses (`ring_buffers.slot_writers.RgbWriter`), for a
whole batch on any device. The detector's weights were proven on such pictures, so these are to be the same: planes are
averaged over the area that each pixel covers (bilinear where they are made larger), colours kept at half the width. On
real footage no number differs by more than 6 of 255; these are brighter by 1 to 3, since swscale rounds down on its way
(tests/parity/test_plane_pictures.py holds it, and that people and actions stay the same).

For devices that multiply matrices fast: a CPU takes 31 ms from 720p to 768x432, swscale 1.8 ms. Pure functions; the
weights of the sizes last used are kept on the device.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ring_buffers.frames import LUMA_SHARES, Colours, SlotFormat
from ring_buffers.transfer import to_device

SIZES_KEPT = 64
"""Weights for so many pairs of sizes: four a format of source and picture, 0.01 to 3 MB each."""


def device_pictures(stacked: Tensor, format: SlotFormat) -> Tensor:
    """Slots of one format as a detector wants them: uint8 [B, *format.shape] → uint8 [B, H, W, 3] RGB.

    `rgb24` slots are that already. Raises `ValueError` for planes whose format names no picture to make of them.
    """
    if format.pixels == "rgb24":
        return stacked
    if format.target is None:
        raise ValueError("these planes are for a model that never looks at them: their format names no picture")
    pictures = torch.zeros((len(stacked), *format.target[::-1], 3), dtype=torch.uint8, device=stacked.device)
    width, height = format.content
    pictures[:, :height, :width] = rgb(*_planes(stacked, format.size), format.content, format.colours)
    return pictures


def rgb(luma: Tensor, chroma: Tensor, size: tuple[int, int], colours: Colours) -> Tensor:
    """uint8 luma [B, h, w] and chroma [B, 2, ⌈h/2⌉, ⌈w/2⌉] (U, V) → uint8 [B, height, width, 3] for `size` (width,
    height)."""
    width, height = size
    unscaled = luma.shape[-2:] == (height, width)
    y = _scaled(luma.float(), (height, width))
    # swscale keeps colours at half of the picture's width, each for two pixels; and for two rows if nothing is scaled.
    colour = chroma.repeat_interleave(2, -2)[..., :height, :] if unscaled else chroma
    halves = _scaled(colour.float(), (height, (width + 1) // 2))
    u, v = halves.repeat_interleave(2, -1)[..., :width].unbind(1)
    red_share, blue_share = LUMA_SHARES[colours.matrix]
    green_share = 1 - red_share - blue_share
    vivid = 1.0 if colours.full_range else 255 / 224
    y = y if colours.full_range else (y - 16) * (255 / 219)
    u, v = (u - 128) * (2 * (1 - blue_share) * vivid), (v - 128) * (2 * (1 - red_share) * vivid)
    green = y - v * (red_share / green_share) - u * (blue_share / green_share)
    return torch.stack((y + v, green, y + u), -1).round_().clamp_(0, 255).to(torch.uint8)


def _planes(stacked: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Views: luma [B, h, w] and chroma [B, 2, ⌈h/2⌉, ⌈w/2⌉] of flat planes [B, N]."""
    width, height = size
    luma = stacked[:, : width * height].unflatten(1, (height, width))
    return luma, stacked[:, width * height :].unflatten(1, (2, (height + 1) // 2, (width + 1) // 2))


def _scaled(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """float32 [..., h, w] → [..., height, width] for `size` (height, width), as two products with narrow bands."""
    height, width = planes.shape[-2:]
    if height != size[0]:
        planes = _weights(height, size[0], planes.device) @ planes
    if width != size[1]:
        planes = planes @ _weights(width, size[1], planes.device).T
    return planes


@lru_cache(maxsize=SIZES_KEPT)
def _weights(source: int, target: int, device: torch.device) -> Tensor:
    """float32 [target, source]: what each source pixel gives to each target pixel; rows sum to 1."""
    made = area_weights(source, target) if target < source else bilinear_weights(source, target)
    return to_device(made.astype(np.float32), device)


def area_weights(source: int, target: int) -> np.ndarray:
    """[target, source]: the share of each source pixel in the stretch that a target pixel covers."""
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return covered.clip(0) * (target / source)


def bilinear_weights(source: int, target: int) -> np.ndarray:
    """[target, source]: the two source pixels whose middles lie around a target pixel's, the nearer one more."""
    middles = ((np.arange(target) + 0.5) * (source / target) - 0.5).clip(0, source - 1)
    return (1 - np.abs(middles[:, None] - np.arange(source))).clip(0)
