"""Batches of pictures on the device, made from leased slots.

Pictures of the same shape form one batch, whatever their formats and cameras. On the host, swscale converts them as in
a camera's thread (`ring_buffers.slot_writers.RgbWriter`), so a whole picture is the same wherever it is made. From 720p
to 768x432 it takes 1.8 ms, where matrix products (`stages.device.plane_pictures`) take a CPU 31 ms; a region takes 0.2
to 0.6 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import av
import numpy as np
import torch
from torch import Tensor

from ring_buffers.frames import Colours, Lease, SlotFormat
from ring_buffers.slot_writers import COLORSPACES, FULL, LIMITED, RgbWriter, plane_bounds, visible
from ring_buffers.transfer import to_device
from stages.device.plane_pictures import cut_pictures, device_pictures
from stages.looks import REGION_SIDE, Region

Cut = tuple[int, int, int, int]
"""Left, top, width and height of a part of a picture, in its pixels; left and top are even."""

WRITERS_KEPT = 128
"""Pairs of sizes whose preparations are kept: one per scale, width and height of a region, about 10 kB each."""


def whole_picture(planes: np.ndarray, format: SlotFormat) -> np.ndarray:
    """Convert a slot of planes to the detector's picture: uint8 `[H, W, 3]` RGB of `format.target`."""
    assert format.target is not None
    frame = _cut(planes, format.size, (0, 0, *format.size), format.colours)
    return _written(frame, format.target, format.content)


def cut_picture(
    slot: np.ndarray, format: SlotFormat, cut: Cut, size: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Convert a part of a slot to uint8 `[H, W, 3]` RGB of `shape` (width, height): scaled to `size`, top left."""
    if format.pixels == "rgb24":
        left, top, width, height = cut
        part = np.ascontiguousarray(slot[top : top + height, left : left + width])
        return _written(av.VideoFrame.from_ndarray(part, "rgb24"), shape, size)
    return _written(_cut(slot, format.size, cut, format.colours), shape, size)


def _written(frame: av.VideoFrame, size: tuple[int, int], content: tuple[int, int]) -> np.ndarray:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    _writer(frame.width, frame.height, size, content).write(frame, picture)
    return picture


@lru_cache(WRITERS_KEPT)
def _writer(width: int, height: int, size: tuple[int, int], content: tuple[int, int]) -> RgbWriter:
    """Return a writer of its own for each source size: it keeps swscale's preparations."""
    return RgbWriter(SlotFormat("rgb24", size, content))


def _cut(planes: np.ndarray, size: tuple[int, int], cut: Cut, colours: Colours) -> av.VideoFrame:
    """Return a part of a slot's picture of `size` as a decoded frame."""
    left, top, width, height = cut
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.colorspace = COLORSPACES[colours.matrix]
    frame.color_range = FULL if colours.full_range else LIMITED
    for step, plane, (begin, end, across, down) in zip((1, 2, 2), frame.planes, plane_bounds(size), strict=True):
        source = planes[begin:end].reshape(down, across)
        x, y = left // step, top // step
        visible(plane)[:] = source[y : y + plane.height, x : x + plane.width]
    return frame


FormatOf = Callable[[tuple[int, int], tuple[int, int] | None], SlotFormat]
"""A detector's `slot_format`: (width, height) of the source, and of the wanted picture or None, to the slot format."""


def planes_for(picture_format: FormatOf) -> FormatOf:
    """Return a `FormatOf` for the same pictures made from slots that hold the decoder's planes."""

    def planes(source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        picture = picture_format(source_size, detector_size)
        return SlotFormat("planes", source_size, picture.content, target=picture.size)

    return planes


def with_motion(format_of: FormatOf) -> FormatOf:
    """Return a `FormatOf` for frames that come with a map of their motion."""

    def watched(source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        return replace(format_of(source_size, detector_size), motion=True)

    return watched


def pictures_by_shape(
    frames: Sequence[Lease], due: Sequence[bool], device: torch.device
) -> list[tuple[list[int], Tensor]]:
    """Group the frames that are `due` by shape: their indices, and uint8 `[B, H, W, 3]` RGB on the device."""
    by_format: dict[SlotFormat, list[int]] = {}
    for index, (lease, is_due) in enumerate(zip(frames, due, strict=True)):
        if is_due:
            by_format.setdefault(lease.meta.format, []).append(index)
    by_shape: dict[tuple[int, ...], list[tuple[list[int], Tensor]]] = {}
    for format, indices in by_format.items():
        slots = [frames[index].picture for index in indices]
        if format.pixels == "planes" and device.type == "cpu":
            pictures = torch.from_numpy(np.stack([whole_picture(slot, format) for slot in slots]))
        else:
            pictures = device_pictures(stack_slots(slots, device), format)
        by_shape.setdefault(tuple(pictures.shape[1:]), []).append((indices, pictures))
    return [_concatenated(groups) for groups in by_shape.values()]


def region_pictures(
    frames: Sequence[Lease],
    regions: Sequence[tuple[int, Region]],
    device: torch.device,
    side: int = REGION_SIDE,
    shape: tuple[int, int] | None = None,
) -> Tensor:
    """Return regions of frames, each with the frame's index, as uint8 `[B, height, width, 3]` RGB on the device.

    The network sees the square of a region in `side` pixels. `shape`: width and height of the pictures, which are black
    beyond their region; by default `side`. On CUDA each slot of planes is copied once, and regions of one size are
    converted together.
    """
    across, down = shape or (side, side)
    formats = [frames[index].meta.format for index, _ in regions]
    sizes = [
        region_content(region, format.picture_size, side) for (_, region), format in zip(regions, formats, strict=True)
    ]
    if device.type == "cpu" or any(format.pixels == "rgb24" for format in formats):
        cut = [
            cut_picture(
                frames[index].picture,
                format,
                (region.left, region.top, *region.shown(format.picture_size)),
                size,
                (across, down),
            )
            for (index, region), format, size in zip(regions, formats, sizes, strict=True)
        ]
        return to_device(np.stack(cut), device)
    pictures = torch.zeros(len(regions), down, across, 3, dtype=torch.uint8, device=device)
    by_format: dict[SlotFormat, list[int]] = {}
    for row, (index, _) in enumerate(regions):
        by_format.setdefault(frames[index].meta.format, []).append(row)
    for format, rows in by_format.items():
        indices = sorted({regions[row][0] for row in rows})
        slots = stack_slots([frames[index].picture for index in indices], device)
        cuts = [
            (
                indices.index(regions[row][0]),
                regions[row][1].left,
                regions[row][1].top,
                *regions[row][1].shown(format.size),
            )
            for row in rows
        ]
        for row, picture in zip(rows, cut_pictures(slots, format, cuts, [sizes[row] for row in rows]), strict=True):
            pictures[row, : picture.shape[0], : picture.shape[1]] = picture
    return pictures


def region_content(region: Region, size: tuple[int, int], side: int = REGION_SIDE) -> tuple[int, int]:
    """Return width and height of the part of a region inside a picture of `size`, in a detector's picture of `side`.

    Both are even: swscale is less exact where a side of the chroma ends within a pixel.
    """
    scale = side / region.side
    width, height = (max(2, round(length * scale / 2) * 2) for length in region.shown(size))
    return width, height


def stack_slots(slots: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Copy slots of one shape to the device as uint8 [B, …].

    On CUDA, slots in page-locked memory are copied asynchronously and without a copy on the host. They must stay leased
    until the results of the batch have arrived.
    """
    if device.type == "cuda":
        tensors = [torch.from_numpy(slot) for slot in slots]
        if all(tensor.is_pinned() for tensor in tensors):
            batch = torch.empty((len(tensors), *tensors[0].shape), dtype=torch.uint8, device=device)
            for row, tensor in enumerate(tensors):
                batch[row].copy_(tensor, non_blocking=True)
            return batch
    return to_device(np.stack(slots), device)


def _concatenated(groups: list[tuple[list[int], Tensor]]) -> tuple[list[int], Tensor]:
    if len(groups) == 1:
        return groups[0]
    return [index for indices, _ in groups for index in indices], torch.cat([pictures for _, pictures in groups])
