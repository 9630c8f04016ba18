"""The pictures of a clip's steps, decoded anew: what a tuned extractor learns from and is judged by. Owns nothing.

Who is where comes from the video's watching; its pictures come from the code that showed them to the detector then, in
the same format, so that the same weights find the same features.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ring_buffers.frames import Lease, SlotFormat
from stages.region_features.picture_scaling import Crop
from stages.region_features.step_features import StepBoxes
from stages.region_features.vgg_features import VggFeatures
from training.annotated_videos.clips import Clip
from training.annotated_videos.regions.step_pictures import PICTURES_AT_ONCE, StepPictures, read_regions
from training.annotated_videos.sightings import RoiVectors
from training.video.frames import VideoReadError, read_frames


class LostVideoError(VideoReadError):
    """A video that could be watched can't be read any more: `clip`; the message names it."""

    def __init__(self, clip: Clip, message: str) -> None:
        super().__init__(message)
        self.clip = clip


def step_pictures(
    clip: Clip, steps: NDArray[np.int64], rows: NDArray[np.int64], present: NDArray[np.bool_], crop: Crop | None = None
) -> Iterator[StepPictures]:
    """The pictures of a clip's steps, some at a time, in the order of frames. Of each step: `steps` int64 [k], its
    number in the clip; `rows` int64 [k], its row of the batch; `present` bool [k, parts], which parts are looked at.
    Raises `LostVideoError` where one can't be had, or the video has become another's size."""
    seen = clip.seen
    sighting = clip.rows[steps]
    frames = seen.frame[sighting]
    held: list[Lease] = []
    for lease in _leases(clip, frames):
        held.append(lease)
        if len(held) < PICTURES_AT_ONCE and lease.meta.frame < frames.max():
            continue
        place = {one.meta.frame: at for at, one in enumerate(held)}
        here = np.array([at for at, frame in enumerate(frames.tolist()) if frame in place], np.int64)
        things = seen.thing[steps[here]]
        boxes = StepBoxes(
            frames=[place[frame] for frame in frames[here].tolist()],
            parts=seen.part_boxes[sighting[here]],
            present=present[here],
            objects=things,
            objects_present=things[:, 2] > things[:, 0],
        )
        yield StepPictures(rows[here], np.stack([one.picture for one in held]), [one.meta for one in held], boxes, crop)
        held = []


@torch.no_grad()
def clip_features(clip: Clip, extractor: VggFeatures, device: torch.device) -> RoiVectors:
    """What an extractor says of all of a clip's s steps, in whole pictures as they are seen live: `parts` float32
    [s, parts, F] and `objects` float32 [s, 1, F], on the CPU. Its mode is kept. Raises `LostVideoError`."""
    training = extractor.training
    extractor.eval()
    every = np.arange(len(clip.rows))
    count, parts = clip.present.shape
    read = read_regions(step_pictures(clip, every, every, clip.present), extractor, count, parts, device)
    extractor.train(training)
    return RoiVectors(read.parts.cpu(), read.objects.cpu())


def _leases(clip: Clip, frames: NDArray[np.int32]) -> Iterator[Lease]:
    if clip.video is None or clip.shown is None:
        raise ValueError(f"{clip.name}: was opened without its video")
    shown = clip.shown

    def format_of(size: tuple[int, int]) -> SlotFormat:
        if size != clip.size:
            was, now = ("x".join(map(str, one)) for one in (clip.size, size))
            raise VideoReadError(f"{clip.video}: is {now} now, and was {was} when it was watched")
        return shown

    try:
        yield from read_frames(clip.video, format_of, set(frames.tolist()))
    except VideoReadError as error:
        raise LostVideoError(clip, str(error)) from None
