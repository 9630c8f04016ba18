"""Writing pictures as an H.264 video in an MP4 file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from training.kinetics_tps import DatasetError

Pixels = NDArray[np.uint8]
_KEYFRAMES_S = 2
_REPEATABLE = "cpu-independent=1"
"""Makes x264 weigh macroblocks with its plain code. Its AVX-512 code reads past the end of a row of macroblocks whose
number is not a multiple of 8, so that the result would depend on the memory behind it."""


def write_video(path: Path, pictures: Iterable[Pixels], size: tuple[int, int], rate: float, crf: int) -> int:
    """Write pictures uint8 [H, W, 3] of `size` (width, height, both even) atomically, and return their number.

    `rate`: pictures per second; `crf`: x264's constant rate factor. The same pictures give the same file. Raises
    `DatasetError` if the file cannot be written, and the errors of `pictures`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
        os.close(descriptor)
    except OSError as error:
        raise DatasetError(f"{path}: can't be written: {error.strerror}") from None
    try:
        count = _encode(Path(temporary), pictures, size, rate, crf)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:  # The codec's errors are OSErrors too.
        raise DatasetError(f"{path}: can't be written: {error.strerror or error}") from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    return count


def _encode(path: Path, pictures: Iterable[Pixels], size: tuple[int, int], rate: float, crf: int) -> int:
    count = 0
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264",
            rate=Fraction(rate).limit_denominator(1000),
            options={
                "crf": str(crf),
                "preset": "veryfast",
                "g": str(round(_KEYFRAMES_S * rate)),
                "x264-params": _REPEATABLE,
            },
        )
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            container.mux(stream.encode(frame))
            count += 1
        container.mux(stream.encode(None))
    return count
