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
from stages.people.batch_steps import BatchSteps
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
    for group in groups:
        picture_of = {frame: index for index, frame in enumerate(group.frames)}
        members = [row for row, frame in enumerate(steps.frames) if frame in picture_of]
        if not members:
            continue
        features = person_features(group.maps, _regions(steps, metas, group, picture_of, members, device), config)
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
    picture_of: dict[int, int],
    members: list[int],
    device: torch.device,
) -> Regions:
    """Return the regions of a group's people, padded with empty boxes in its first picture."""
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
    picture[: len(members)] = [picture_of[steps.frames[row]] for row in members]
    content = np.array([metas[frame].format.content for frame in group.frames], np.float32)
    scale = content / np.array([metas[frame].size for frame in group.frames], np.float32)
    packed = np.concatenate([array.ravel() for array in (boxes, hands_present, picture, scale, content)])
    box_rows, hand_rows, picture_rows, scale_rows, content_rows = _split(
        to_device(packed, device), (boxes.shape, hands_present.shape, picture.shape, scale.shape, content.shape)
    )
    return Regions(
        picture=picture_rows.long(),
        parts=box_rows[:, :count],
        hands=box_rows[:, count:],
        hands_present=hand_rows > 0.5,
        scale=scale_rows,
        content=content_rows,
    )


def _keypoints(steps: BatchSteps, row: int) -> NDArray[np.float32]:
    keypoints = steps.steps[row].keypoints
    if keypoints is None:
        raise ValueError("regions around the hands need keypoints, but the detector finds none")
    return keypoints


def _split(packed: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    sizes = [int(np.prod(shape)) for shape in shapes]
    return [piece.view(shape) for piece, shape in zip(packed.split(sizes), shapes, strict=True)]
