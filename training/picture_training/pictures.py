"""Training on annotated frames of videos: pictures with labelled boxes, random squares of them, and the loop.

Every reading decodes the video again, because the frames of a data set do not fit into memory. They are decoded, turned
and scaled by the code that feeds a model (`training.video`).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ring_buffers.frames import Lease, SlotFormat
from stages.profiles import choose_device
from training.kinetics_tps import AnnotatedFrame, Video
from training.video.frames import read_frames

logger = logging.getLogger(__name__)
_WARM_UP = 0.05
"""Share of a run in which the learning rate rises."""
_LOGGED_EVERY = 20
"""Steps between logged losses."""

Batch = TypeVar("Batch")
Example = TypeVar("Example")


@dataclass(frozen=True, slots=True)
class PictureTraining:
    """Settings of a run on random squares of pictures."""

    steps: int = 1000
    batch: int = 8
    learning_rate: float = 1e-3
    """The peak: it rises over the first twentieth of the run and falls to 0 along a cosine."""
    weight_decay: float = 1e-4
    clip_norm: float = 10.0
    """Maximum norm of all gradients together."""
    crop: int = 224
    """Side of the square."""
    frames_per_video: int = 4
    """Frames taken from a video at a time, each time it is decoded."""
    shuffle_buffer: int = 128
    """Pictures kept in memory to draw from, so that a batch mixes videos."""
    seed: int = 0


class PictureTrainingError(RuntimeError):
    """Training cannot start or continue; the message says what to change."""


def training_device(name: str) -> torch.device:
    """Return the device. Raises `PictureTrainingError` if it is not available."""
    try:
        return choose_device(name)
    except ValueError as error:
        raise PictureTrainingError(str(error)) from None


def optimise(
    optimiser: torch.optim.Optimizer,
    batches: Iterator[Batch],
    losses: Callable[[Batch], Mapping[str, Tensor]],
    settings: PictureTraining,
    minutes: float | None = None,
) -> int:
    """Train for `settings.steps` steps or `minutes`, whichever ends first, and return the steps taken.

    `losses` gives the terms of a batch's loss by name; their sum is minimised. Raises `PictureTrainingError` if it is
    not finite.
    """
    weights: list[nn.Parameter] = [weight for group in optimiser.param_groups for weight in group["params"]]
    began, seconds = time.monotonic(), math.inf if minutes is None else max(minutes * 60, 1e-9)
    for step in range(settings.steps):
        done = max(step / settings.steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            return step
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * min(done / _WARM_UP, 0.5 * (1 + math.cos(math.pi * done)))
        terms = losses(next(batches))
        total = total_loss(terms)
        if not torch.isfinite(total):
            raise PictureTrainingError(
                f"the loss is {total.item()} at step {step}: train with a lower learning rate than "
                f"{settings.learning_rate}"
            )
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(weights, settings.clip_norm)
        optimiser.step()
        if step % _LOGGED_EVERY == 0:
            shown = ", ".join(f"{name} {float(value.detach().sum()):.3f}" for name, value in sorted(terms.items()))
            logger.info("step %d of %d: %s", step, settings.steps, shown)
    return settings.steps


def total_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """Return the sum of the terms of a loss, a scalar."""
    return torch.stack([value.sum() for value in terms.values()]).sum()


def scaled_frames(
    video: Video, indices: Sequence[int], short_side: int
) -> Iterator[tuple[Lease, AnnotatedFrame, NDArray[np.float32]]]:
    """Yield the annotated frames with these indices, in order, their shorter side scaled to `short_side`.

    Each comes with its annotation and the factors from the video's pixels to the picture's: float32 `[2]`, across and
    down. Raises `training.video.frames.VideoReadError`.
    """
    by_index = {frame.index: frame for frame in video.frames if frame.index in set(indices)}
    for lease in read_frames(video.path, lambda size: _format(size, short_side), [index - 1 for index in by_index]):
        scale = np.array(lease.meta.format.content, np.float32) / np.array(lease.meta.size, np.float32)
        yield lease, by_index[lease.meta.frame + 1], scale


def scaled_boxes(boxes: Sequence[Sequence[float]], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an annotation's boxes in pixels of the scaled picture: float32 `[n, 4]`."""
    scaled = np.array(boxes, np.float32).reshape(-1, 4)
    scaled[:, 2:] += 1  # An annotated box includes its last pixel.
    return scaled * np.tile(scale, 2)


def _format(source: tuple[int, int], short_side: int) -> SlotFormat:
    scale = short_side / min(source)
    width, height = (max(short_side, round(side * scale)) for side in source)
    return SlotFormat("rgb24", (width, height), (width, height))


MIN_VISIBLE = 0.3
"""A box is dropped if a smaller share of it lies in the crop."""
MIN_SIDE = 2.0
"""A box is dropped if it is thinner than this, in pixels."""


class LabelledPicture(NamedTuple):
    """A picture uint8 `[H, W, 3]` RGB, boxes float32 `[n, 4]` (x1, y1, x2, y2 in its pixels), and their labels.

    Labels are int64 `[n]`, or `[n, tasks]`, of which the first is the class of the box.
    """

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def random_view(
    labelled: LabelledPicture,
    side: int,
    sides_swapped: NDArray[np.int64],
    random: np.random.Generator,
    jitter: float = 0.0,
) -> LabelledPicture:
    """Return a random square, mirrored half of the time.

    `sides_swapped`: each class when mirrored. Each box's edges are moved by up to `jitter` of its sides, to resemble
    detected boxes.
    """
    height, width = labelled.picture.shape[:2]
    left, top = int(random.integers(width - side + 1)), int(random.integers(height - side + 1))
    view = cropped(labelled, left, top, side)
    if random.random() < 0.5:
        view = mirrored(view, sides_swapped)
    if not jitter:
        return view
    sides = np.tile(view.boxes[:, 2:] - view.boxes[:, :2], 2)
    moved = view.boxes + sides * random.uniform(-jitter, jitter, view.boxes.shape).astype(np.float32)
    return view._replace(boxes=moved.clip(0, side))


def centre_view(labelled: LabelledPicture, side: int) -> LabelledPicture:
    """Return the square in the middle."""
    height, width = labelled.picture.shape[:2]
    return cropped(labelled, (width - side) // 2, (height - side) // 2, side)


def cropped(labelled: LabelledPicture, left: int, top: int, side: int) -> LabelledPicture:
    """Return a square of the picture with the boxes in it, clipped."""
    moved = labelled.boxes - np.tile(np.array([left, top], np.float32), 2)
    cut = moved.clip(0, side)
    sides = cut[:, 2:] - cut[:, :2]
    whole = (moved[:, 2:] - moved[:, :2]).prod(-1)
    kept = (sides.prod(-1) >= MIN_VISIBLE * whole) & (sides >= MIN_SIDE).all(-1)
    picture = labelled.picture[top : top + side, left : left + side]
    return LabelledPicture(picture, cut[kept], labelled.labels[kept])


def mirrored(labelled: LabelledPicture, sides_swapped: NDArray[np.int64]) -> LabelledPicture:
    """Return the picture with left and right exchanged, including in the labels."""
    width = labelled.picture.shape[1]
    boxes = labelled.boxes.copy()
    boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
    labels = labelled.labels.copy()
    classes = labels if labels.ndim == 1 else labels[:, 0]
    classes[:] = sides_swapped[classes]
    return LabelledPicture(labelled.picture[:, ::-1], boxes, labels)


def endless_examples(
    videos: Sequence[Video],
    frames_per_video: int,
    random: np.random.Generator,
    read: Callable[[Video, list[int]], Iterable[Example]],
    unreadable: tuple[type[Exception], ...],
) -> Iterator[Example]:
    """Yield examples without end: all videos in random order, then again, a few random annotated frames of each.

    `read` gives the examples of a video's frames, by index. A video for which it raises one of `unreadable` is left out
    from then on, with a warning. Raises `PictureTrainingError` when no video is left.
    """
    broken: set[str] = set()
    while len(broken) < len(videos):
        for at in random.permutation(len(videos)):
            video = videos[at]
            if video.name in broken:
                continue
            frames = random.choice(len(video.frames), min(frames_per_video, len(video.frames)), replace=False)
            try:
                yield from read(video, [video.frames[frame].index for frame in frames])
            except unreadable as error:
                broken.add(video.name)
                logger.warning("%s; left out of training", error)
    raise PictureTrainingError("none of the videos can be read: `partstream data check` lists what is wrong with them")


def shuffled(
    examples: Iterable[Example], keep: int, count: int, random: np.random.Generator
) -> Iterator[list[Example]]:
    """Yield `count` examples at a time, drawn from a buffer that keeps `keep` of them, so that they mix videos."""
    held: list[Example] = []
    for example in examples:
        held.append(example)
        if len(held) == keep + count:
            yield [held.pop(int(random.integers(len(held)))) for _ in range(count)]


def spread_indices(video: Video, count: int) -> list[int]:
    """Return the indices of `count` annotated frames spread over the video; all if it has fewer."""
    every = max(1, len(video.frames) // count)
    return [frame.index for frame in video.frames[every // 2 :: every]][:count]
