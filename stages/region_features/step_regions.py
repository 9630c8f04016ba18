"""RoI features of the steps of a batch, one group of pictures after the other.

Only checkpoints with a trained visual branch use them. Boxes are copied to the device once per group; people's rows are
known on the host, so that nothing waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta
from ring_buffers.transfer import bucket, to_device
from stages.detection.detections import PictureGroup
from stages.detection.part_boxes import hand_regions
from stages.heads.network import VisualInput
from stages.people.people import BatchSteps
from stages.region_features.roi_features import Regions, RoiConfig, person_features

_HANDS = 2
OBJECT_REGIONS = 3
"""Around the left hand, around the right hand, the whole picture."""

REGION_OF_PART = (2, 0, 1, 0, 1, 2, 2, 2, 2, 2)
"""The object region of each part (`NetworkConfig.object_regions`): arms and hands have that of their own hand."""


def step_regions(
    steps: BatchSteps,
    metas: Sequence[FrameMeta],
    groups: Sequence[PictureGroup],
    config: RoiConfig,
    device: torch.device,
) -> VisualInput:
    """Return the RoI features of all steps: `parts` [rows, parts, F] and `objects` [rows, 3, F].

    Rows are padded as `bucket` says, with zeros; there are 0 parts if `config` leaves them out. `groups` have the
    feature maps of the frames in which people make steps.
    """
    rows = bucket(len(steps))
    length = config.length()
    count = steps.part_boxes[0].shape[0] if config.parts else 0
    parts = torch.zeros(rows + 1, count, length, device=device)
    objects = torch.zeros(rows + 1, OBJECT_REGIONS, length, device=device)
    shown = [_picture_of(groups, frame, step.box) for frame, step in zip(steps.frames, steps.steps, strict=True)]
    for number, group in enumerate(groups):
        members = [row for row, (of, _) in enumerate(shown) if of == number]
        if not members:
            continue
        pictures = [shown[row][1] for row in members]
        features = person_features(group.maps, _regions(steps, metas, group, members, pictures, device), config)
        # Padded people are written to the row after the last, which is dropped.
        targets = np.full(bucket(len(members)), rows, np.int64)
        targets[: len(members)] = members
        index = to_device(targets, device)
        parts.index_copy_(0, index, features.parts.float())
        objects.index_copy_(0, index, features.objects.float())
    return VisualInput(parts[:rows], objects[:rows])


def _regions(
    steps: BatchSteps,
    metas: Sequence[FrameMeta],
    group: PictureGroup,
    members: list[int],
    pictures: list[int],
    device: torch.device,
) -> Regions:
    """Return the regions of people in these pictures of a group, padded with empty boxes in its first picture."""
    padded, count = bucket(len(members)), steps.part_boxes[0].shape[0]
    boxes = np.zeros((padded, count + _HANDS, 4), np.float32)
    hands_present = np.zeros((padded, _HANDS), np.float32)
    picture = np.zeros(padded, np.float32)
    sizes = np.array([metas[steps.frames[row]].size for row in members], np.float32)
    keypoints = np.stack([_keypoints(steps, row) for row in members])
    people = np.stack([steps.steps[row].box for row in members])
    hands, present = hand_regions(keypoints, people, sizes)
    boxes[: len(members), :count] = np.stack([steps.part_boxes[row] for row in members])
    boxes[: len(members), count:] = hands
    hands_present[: len(members)] = present
    picture[: len(members)] = pictures
    content = np.array([area.content for area in group.areas], np.float32)
    scale = np.array([area.scale for area in group.areas], np.float32)
    offset = np.array([area.offset for area in group.areas], np.float32)
    arrays = (boxes, hands_present, picture, scale, offset, content)
    box_rows, hand_rows, picture_rows, scale_rows, offset_rows, content_rows = _split(
        to_device(np.concatenate([array.ravel() for array in arrays]), device), [array.shape for array in arrays]
    )
    return Regions(
        picture=picture_rows.long(),
        parts=box_rows[:, :count],
        hands=box_rows[:, count:],
        hands_present=hand_rows > 0.5,
        scale=scale_rows,
        offset=offset_rows,
        content=content_rows,
    )


def _picture_of(groups: Sequence[PictureGroup], frame: int, box: NDArray[np.float32]) -> tuple[int, int]:
    """Return the picture of a frame that shows most of a person's box, and of those the most detailed one.

    It is given by the number of its group and its place in it; (-1, -1) if no picture shows the frame.
    """
    best, most = (-1, -1), (-1.0, 0.0)
    for number, group in enumerate(groups):
        for index, (of, area) in enumerate(zip(group.frames, group.areas, strict=True)):
            if of != frame:
                continue
            low = np.array(area.offset)
            high = low + np.array(area.content) / np.array(area.scale)
            inside = np.maximum(np.minimum(box[2:], high) - np.maximum(box[:2], low), 0).prod()
            # Rounded, because the shares of a whole box in two pictures may differ by rounding.
            worth = (round(float(inside / max((box[2:] - box[:2]).prod(), 1e-6)), 3), area.scale[0])
            if worth > most:
                best, most = (number, index), worth
    return best


def _keypoints(steps: BatchSteps, row: int) -> NDArray[np.float32]:
    keypoints = steps.steps[row].keypoints
    if keypoints is None:
        raise ValueError("regions around the hands need keypoints, but the detector finds none")
    return keypoints


def _split(packed: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    sizes = [int(np.prod(shape)) for shape in shapes]
    return [piece.view(shape) for piece, shape in zip(packed.split(sizes), shapes, strict=True)]
