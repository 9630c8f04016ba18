"""Frames of real footage in slots of planes, as the camera's thread writes them."""

from __future__ import annotations

import av
import numpy as np
import torch

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.slot_writers import frame_colours, picture_writer
from stages.detection.movenet.movenet import slot_format
from stages.detection.views.slot_pictures import planes_for
from stages.third_party import weights

CPU = torch.device("cpu")


def frame_of(asset: str, file: str, number: int) -> av.VideoFrame:
    with av.open(str(weights.locate(asset, file))) as container:
        return next(frame for at, frame in enumerate(container.decode(video=0)) if at == number)


def lent(frame: av.VideoFrame, detector_size: tuple[int, int] | None = None) -> Lease:
    """The frame in a slot of planes."""
    size = (frame.width, frame.height)
    plain = planes_for(slot_format)(size, detector_size)
    format = SlotFormat("planes", size, plain.content, plain.target, frame_colours(frame))
    planes = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, planes)
    return Lease(FrameMeta("hall", 1, 0, 0, 0, "media", 0, 0, size, format), planes, 0)
