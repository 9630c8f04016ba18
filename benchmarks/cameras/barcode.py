"""Frame number in the picture, as black and white blocks along the top edge.

The twenty blocks are: white, black (so that a uniform picture has no valid code), sixteen bits of the number, highest
first, their even parity, and its complement. A block is a twentieth of the picture wide and 2/45 of it high (64 x 32
pixels at 720p), so that lossy coding, scaling and chroma subsampling do not change its centre. Requires only numpy,
because contenders in their own environments read it too.
"""

from __future__ import annotations

import numpy as np

BLOCKS = 20
BITS = 16
LIMIT = 1 << BITS
UNREADABLE = -1
"""Result for a picture without a valid barcode."""

_BITS_OF_BRIGHTNESS = b"0" * 128 + b"1" * 128


def draw(luma: np.ndarray, number: int) -> None:
    """Draw `number` (0 to 65535) at the top of `luma`, a uint8 array `[height, width]`, in place."""
    if not 0 <= number < LIMIT:
        raise ValueError(f"a barcode number must be 0 to {LIMIT - 1}, not {number}")
    bits = [(number >> bit) & 1 for bit in range(BITS - 1, -1, -1)]
    parity = sum(bits) % 2
    height, width = luma.shape
    edges = np.linspace(0, width, BLOCKS + 1).round().astype(int)
    for block, bit in enumerate([1, 0, *bits, parity, 1 - parity]):
        luma[: max(1, round(height * 2 / 45)), edges[block] : edges[block + 1]] = 235 if bit else 16


def read(luma: np.ndarray) -> int:
    """Return the number in a picture's luma or green channel `[height, width]`, or `UNREADABLE`.

    Reads one pixel per block, which takes about a microsecond.
    """
    height, width = luma.shape
    half = width // (2 * BLOCKS)
    row = luma[height // 45, half :: width // BLOCKS][:BLOCKS] if width % BLOCKS == 0 else _sampled(luma)
    # Plain integers, because several numpy calls would take ten times as long with a cold cache.
    bits = int(row.tobytes().translate(_BITS_OF_BRIGHTNESS), 2)
    number = (bits >> 2) & (LIMIT - 1)
    parity = number.bit_count() & 1
    if bits >> (BITS + 2) != 0b10 or bits & 0b11 != (0b10 if parity else 0b01):
        return UNREADABLE
    return number


def _sampled(luma: np.ndarray) -> np.ndarray:
    height, width = luma.shape
    columns = ((np.arange(BLOCKS) + 0.5) * width / BLOCKS).astype(int)
    return luma[height // 45, columns]
