"""Training examples from annotated videos, again and again, in random order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from training.kinetics_tps import Video
from training.picture_training.optimisation import PictureTrainingError

logger = logging.getLogger(__name__)

Example = TypeVar("Example")


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
