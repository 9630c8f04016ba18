"""The pictures of a clip's steps, decoded again: the input of a tuned extractor in training and evaluation.

Boxes come from the clip's sightings. Pictures come from the code that showed them to the detector, in the same format,
so that the same weights give the same features.
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
from training.annotated_videos.sightings import RoiVectors
from training.sequences.step_pictures import PICTURES_AT_ONCE, StepPictures, read_regions
from training.video.frames import VideoReadError, read_frames


class LostVideoError(VideoReadError):
    """The video of `clip` was watched but can no longer be read; the message names it."""

    def __init__(self, clip: Clip, message: str) -> None:
        super().__init__(message)
        self.clip = clip


def step_pictures(
    clip: Clip, steps: NDArray[np.int64], rows: NDArray[np.int64], present: NDArray[np.bool_], crop: Crop | None = None
) -> Iterator[StepPictures]:
    """Yield the pictures of a clip's steps, several at a time, in the order of frames.

    For each step: `steps` int64 [k], its number in the clip; `rows` int64 [k], its row in the batch; `present` bool
    [k, parts], the parts to read. Raises `LostVideoError` if a picture cannot be read or the video's size has changed.
    """
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
        objects = seen.object_box[steps[here]]
        boxes = StepBoxes(
            frames=[place[frame] for frame in frames[here].tolist()],
            parts=seen.part_boxes[sighting[here]],
            present=present[here],
            objects=objects,
            objects_present=objects[:, 2] > objects[:, 0],
        )
        yield StepPictures(rows[here], np.stack([one.picture for one in held]), [one.meta for one in held], boxes, crop)
        held = []


@torch.no_grad()
def clip_features(clip: Clip, extractor: VggFeatures, device: torch.device) -> RoiVectors:
    """Return an extractor's features of all of a clip's s steps, in whole pictures as live, on the CPU.

    `parts` float32 [s, parts, F] and `objects` float32 [s, 1, F]. The extractor's mode is kept. Raises
    `LostVideoError`.
    """
    training = extractor.training
    extractor.eval()
    every = np.arange(len(clip.rows))
    count, parts = clip.present.shape
    read = read_regions(step_pictures(clip, every, every, clip.present), extractor, count, parts, device)
    extractor.train(training)
    return RoiVectors(read.parts.cpu(), read.objects.cpu())


def _leases(clip: Clip, frames: NDArray[np.int32]) -> Iterator[Lease]:
    if clip.video is None or clip.shown is None:
        raise ValueError(f"{clip.name}: has no video file")
    shown = clip.shown

    def format_of(size: tuple[int, int]) -> SlotFormat:
        if size != clip.size:
            was, now = ("x".join(map(str, one)) for one in (clip.size, size))
            raise VideoReadError(f"{clip.video}: is {now} now but was {was} when it was watched")
        return shown

    try:
        yield from read_frames(clip.video, format_of, set(frames.tolist()))
    except VideoReadError as error:
        raise LostVideoError(clip, str(error)) from None
