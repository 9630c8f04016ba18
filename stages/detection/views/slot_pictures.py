"""Batches of pictures on the device, made from leased slots.

Pictures of the same shape form one batch, whatever their formats and cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ring_buffers.frames import Lease, SlotFormat
from ring_buffers.transfer import to_device
from stages.device.host_pictures import cut_picture, whole_picture
from stages.device.plane_pictures import cut_pictures, device_pictures
from stages.looks import REGION_SIDE, Region

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
