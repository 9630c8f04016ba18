"""Training sequences with their pictures, for a tuned extractor: each with a crop, decoded again.

Batches depend only on the source's state and the videos, not on the number of decoding threads.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stages.region_features.picture_scaling import Crop, rescaled_boxes, scaled_size
from stages.runtimes.machine import usable_cores
from training.annotated_videos.clip_pictures import LostVideoError, step_pictures
from training.annotated_videos.clips import Clip
from training.annotated_videos.folder_source import Cut, FolderSource, sequences
from training.kinetics_tps import DatasetError
from training.sequences.step_pictures import StepPictures
from training.sequences.tensors import Tensors

LEAST_VISIBLE = 0.3
"""A part is absent if a smaller share of it lies in the crop, because the rest does not show its state."""

logger = logging.getLogger(__name__)


class _View(NamedTuple):
    """A sequence and its crop."""

    cut: Cut
    shown: bool
    """Whether its pictures are used."""
    crop: Crop | None
    present: NDArray[np.bool_]
    """[t, parts]: the visible parts at the answered steps."""


class PictureSource:
    """A `FolderSource` with pictures of each sequence's steps instead of features.

    All pictures of a sequence have the same crop, so that only people move in them.
    """

    def __init__(
        self, source: FolderSource, *, short_side: int, crop: int | None, unseen_share: float = 0.0, threads: int = 0
    ) -> None:
        """`short_side` and `crop` in pixels: the shorter side of scaled pictures, and the side of the square shown;
        None shows the whole picture. `unseen_share`: share of sequences without pictures. `threads` for decoding; 0:
        one per core."""
        self._source, self._short_side, self._crop, self._unseen_share = source, short_side, crop, unseen_share
        self._threads = ThreadPoolExecutor(threads or usable_cores(), "decode")
        self.lost: dict[str, str] = {}
        """Videos that could no longer be read and are left out, with the reason."""

    def __len__(self) -> int:
        """Return the number of steps that a sequence may end with."""
        return len(self._source)

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return {"source": self._source.state(), "lost": dict(self.lost)}

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self._source.restore(state["source"])
        self.lost = dict(state["lost"])

    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU, with at most `count` · `window` pictures.

        A sequence whose video can no longer be read is replaced by another. Raises `DatasetError` if no video is left.
        """
        views = [self._draw(window) for _ in range(count)]
        found = list(self._threads.map(_read, views, range(0, count * window, window)))
        pictures: list[StepPictures] = []
        for row in range(count):
            while isinstance(read := found[row], LostVideoError):
                self._leave_out(read)
                views[row] = self._draw(window)
                found[row] = _read(views[row], row * window)
            pictures += read
        tensors = sequences([view.cut for view in views], window)
        present = tensors.present.clone()
        for row, view in enumerate(views):
            present[row, : len(view.present)] = torch.from_numpy(view.present)
        return dataclasses.replace(tensors, present=present, pictures=tuple(pictures))

    def _draw(self, window: int) -> _View:
        rng = self._source.rng
        cut = self._source.draw(window)
        while cut.clip.name in self.lost:
            cut = self._source.draw(window)
        shown = bool(rng.random() >= self._unseen_share)
        crop = self._draw_crop(cut, rng) if shown else None
        present = cut.clip.present[cut.answered]
        if crop is not None:
            boxes = cut.clip.seen.part_boxes[cut.clip.rows[cut.answered]]
            present = present & visible_parts(boxes, cut.clip, self._short_side, crop)
        return _View(cut, shown, crop, present)

    def _draw_crop(self, cut: Cut, rng: np.random.Generator) -> Crop | None:
        """Return a random crop with the middle of the person at the sequence's last step in it.

        Without this condition, every second crop of a picture twice as wide as high would miss the person.
        """
        if self._crop is None:
            return None
        size, side = _scaled(cut.clip, self._short_side), self._crop
        box = cut.clip.seen.box[cut.clip.rows[cut.steps[-1]]].reshape(2, 2)
        middle = (box.mean(0) * size / cut.clip.size).clip(0, size)
        left, top = (
            int(rng.integers(max(0, math.ceil(at - side)), min(length - side, math.floor(at)) + 1))
            for at, length in zip(middle.tolist(), size, strict=True)
        )
        return Crop(left, top, side)

    def _leave_out(self, error: LostVideoError) -> None:
        clip = error.clip
        if clip.name not in self.lost:
            logger.warning("%s; left out from now on", error)
            self.lost[clip.name] = str(error)
        if not self._source.has_other_than(self.lost):
            raise DatasetError(f"none of the training videos can be read any more; the last error: {error}")


def visible_parts(boxes: NDArray[np.float32], clip: Clip, short_side: int, crop: Crop) -> NDArray[np.bool_]:
    """Return whether enough of each box [..., 4], in a clip's pixels, is in the crop of its scaled picture."""
    size = _scaled(clip, short_side)
    corners = torch.from_numpy(boxes)
    uncropped, cropped = (rescaled_boxes(corners, clip.size, size, cut).numpy() for cut in (None, crop))
    area = _area(cropped)
    return (area > 0) & (area >= LEAST_VISIBLE * _area(uncropped))


def _read(view: _View, first_row: int) -> list[StepPictures] | LostVideoError:
    if not view.shown:
        return []
    steps = view.cut.answered
    try:
        return list(step_pictures(view.cut.clip, steps, first_row + np.arange(len(steps)), view.present, view.crop))
    except LostVideoError as error:
        return error


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def _scaled(clip: Clip, short_side: int) -> tuple[int, int]:
    """Return the (width, height) to which the extractor scales a clip's pictures."""
    assert clip.shown is not None
    return scaled_size(clip.shown.content, short_side)
