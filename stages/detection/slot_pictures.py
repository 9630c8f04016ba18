"""Slot pictures: from leased slots to batches of pictures on the device, one copy a slot and no host copy between.

Pictures of one shape make one batch, whichever formats and cameras they are from. Owns nothing.
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
"""A detector's `slot_format`: from (width, height) of a source, and of the picture that is asked for, if one is."""


def planes_for(picture_format: FormatOf) -> FormatOf:
    """The same pictures, but made on the device: slots hold the decoder's planes."""

    def planes(source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        picture = picture_format(source_size, detector_size)
        return SlotFormat("planes", source_size, picture.content, target=picture.size)

    return planes


def pictures_by_shape(
    frames: Sequence[Lease], due: Sequence[bool], device: torch.device
) -> list[tuple[list[int], Tensor]]:
    """Return the frames that are `due`, by shape: indices in the batch, and uint8 `[B, H, W, 3]` RGB on the device."""
    by_format: dict[SlotFormat, list[int]] = {}
    for index, (lease, is_due) in enumerate(zip(frames, due, strict=True)):
        if is_due:
            by_format.setdefault(lease.meta.format, []).append(index)
    by_shape: dict[tuple[int, ...], list[tuple[list[int], Tensor]]] = {}
    for format, indices in by_format.items():
        pictures = device_pictures(stacked([frames[index].picture for index in indices], device), format)
        by_shape.setdefault(tuple(pictures.shape[1:]), []).append((indices, pictures))
    return [_joined(groups) for groups in by_shape.values()]


def stacked(slots: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """uint8 [B, …] of slots of one shape. On CUDA slots in page-locked memory are copied from where they lie, without
    waiting: they may be written again only once the batch's answers have been waited for, as leases are."""
    if device.type == "cuda":
        there = [torch.from_numpy(slot) for slot in slots]
        if all(slot.is_pinned() for slot in there):
            batch = torch.empty((len(there), *there[0].shape), dtype=torch.uint8, device=device)
            for place, slot in enumerate(there):
                batch[place].copy_(slot, non_blocking=True)
            return batch
    return to_device(np.stack(slots), device)


def _joined(groups: list[tuple[list[int], Tensor]]) -> tuple[list[int], Tensor]:
    if len(groups) == 1:
        return groups[0]
    return [index for indices, _ in groups for index in indices], torch.cat([pictures for _, pictures in groups])
