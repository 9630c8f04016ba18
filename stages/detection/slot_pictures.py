"""Batches of pictures on the device, made from leased slots.

Pictures of the same shape form one batch, whatever their formats and cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ring_buffers.frames import Lease, SlotFormat
from ring_buffers.transfer import to_device
from stages.device.plane_pictures import device_pictures

FormatOf = Callable[[tuple[int, int], tuple[int, int] | None], SlotFormat]
"""A detector's `slot_format`: (width, height) of the source, and of the wanted picture or None, to the slot format."""


def planes_for(picture_format: FormatOf) -> FormatOf:
    """Return a `FormatOf` for the same pictures made on the device: the slots hold the decoder's planes."""

    def planes(source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        picture = picture_format(source_size, detector_size)
        return SlotFormat("planes", source_size, picture.content, target=picture.size)

    return planes


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
        pictures = device_pictures(stack_slots([frames[index].picture for index in indices], device), format)
        by_shape.setdefault(tuple(pictures.shape[1:]), []).append((indices, pictures))
    return [_concatenated(groups) for groups in by_shape.values()]


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
