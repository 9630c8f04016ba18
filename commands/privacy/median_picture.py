"""The median of a camera's pictures, in which people who move are missing."""

from __future__ import annotations

from time import monotonic

import av
import numpy as np

from commands.cameras.opening import PICTURE_WITHIN_S, opened
from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.decoding.picture_limit import PictureLimit
from stream.sources.errors import EndedError
from stream.sources.open_transport import MakeOpener
from stream.sources.transport import StoppedError

PICTURES = 41
"""Pictures of which the median is taken; 41 of 1280x720 take 113 MB."""
WIDEST = 1280
"""Longest side, pixels: people are drawn no larger."""


def median_picture(config: CameraConfig, make_opener: MakeOpener, seconds: float) -> np.ndarray:
    """Return the median of pictures over `seconds`, or of a file's: uint8 [height, width, 3], RGB.

    Raises `SourceError`, and `StoppedError` if the camera does not answer.
    """
    hurried = config.model_copy(update={"start_timeout_s": PICTURE_WITHIN_S, "pace": "fast"})
    kept: list[np.ndarray] = []
    with opened(hurried, make_opener, PICTURE_WITHIN_S + seconds + 1.0) as transport:
        decoder = Decoder(transport.codec, lambda reason: None, PictureLimit(config))
        ends = monotonic() + PICTURE_WITHIN_S
        first_us: int | None = None
        due_us = 0.0
        try:
            while monotonic() < ends and len(kept) < PICTURES:
                unit = transport.read()
                for picture in decoder.decode(unit) if unit is not None else []:
                    # Files are read faster than they play, so their own times count.
                    at_us = picture.pts_us if picture.pts_us is not None else round(monotonic() * 1e6)
                    if first_us is None:
                        first_us, ends = at_us, monotonic() + seconds + 1.0
                    if at_us - first_us >= due_us:
                        due_us += seconds * 1e6 / (PICTURES - 1)
                        kept.append(_small(picture.frame))
        except (EndedError, StoppedError):
            if not kept:
                raise
        if not kept:
            raise transport.diagnosis.no_picture_in_time()
    same = [picture for picture in kept if picture.shape == kept[0].shape]
    return np.median(np.stack(same), axis=0, overwrite_input=True).astype(np.uint8)


def _small(frame: av.VideoFrame) -> np.ndarray:
    scale = min(1.0, WIDEST / max(frame.width, frame.height))
    return frame.to_ndarray(
        width=max(1, round(frame.width * scale)), height=max(1, round(frame.height * scale)), format="rgb24"
    )
