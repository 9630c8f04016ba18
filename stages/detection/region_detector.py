"""Detector of people, body parts and objects as regions, which belong to people by their places; without keypoints.

Pictures of one shape run through the network together, and one copy moves the detections of a batch to the host: all
tensors have a fixed size. `stages.detection.keypoint_batches` does the same for networks that detect keypoints.

The value of a pair of a part and a person is the share of the part's box that lies within the person's box, times the
part's score. Each person gets at most one box of each part and each box goes to at most one person, so that the sum of
values over the people of a picture is greatest. See docs/method.md, "Detection".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from ring_buffers.transfer import to_device, to_host
from stages.detection.detections import (
    BatchDetections,
    DetectorError,
    ObjectDetections,
    PartBoxes,
    PictureGroup,
    epoch_scale,
    whole_area,
)
from stages.detection.views.slot_pictures import pictures_by_shape
from stages.looks import Look
from stages.settings import ScoreThresholds

PERSON = "person"
BOX_COLUMNS = 6
"""x1, y1, x2, y2, score, class."""


@dataclass(frozen=True, slots=True)
class RegionClasses:
    """Class indices of a detector. `parts` is empty if it detects none; then parts come from keypoints."""

    names: tuple[str, ...]
    person: int
    parts: tuple[int, ...]
    """The class of each part, in the vocabulary's order."""
    objects: tuple[int, ...]

    @staticmethod
    def of(names: Sequence[str], parts: Sequence[str]) -> RegionClasses:
        """Sort a detector's class names.

        Raises `DetectorError` if there is no class `person`, or if there are classes for only some of the `parts`.
        """
        names = tuple(names)
        if PERSON not in names:
            raise DetectorError(f"the detector has no class `{PERSON}`; its classes are {_joined(names)}")
        known = [part for part in parts if part in names]
        if known and len(known) < len(parts):
            missing = [part for part in parts if part not in names]
            raise DetectorError(
                f"the detector has classes for {_joined(known)}, but not for {_joined(missing)}. It must have a class "
                "for every part, or for none, in which case parts come from keypoints"
            )
        person = names.index(PERSON)
        columns = tuple(names.index(part) for part in known)
        return RegionClasses(
            names, person, columns, tuple(row for row in range(len(names)) if row != person and row not in columns)
        )


@dataclass(frozen=True, slots=True)
class RegionLayout:
    """The order of a picture's rows: `people` rows, then `per_part` rows for each of `parts` part classes, then
    `objects` rows. Each group is sorted by score, best first; unused rows are all zeros.

    The methods take rows `[..., rows, 6]`, tensor or array, and return views.
    """

    people: int
    parts: int
    per_part: int
    objects: int

    @property
    def rows(self) -> int:
        """Rows per picture."""
        return self.people + self.parts * self.per_part + self.objects

    def people_of(self, packed: Any) -> Any:
        """Return `[..., people, 6]`."""
        return packed[..., : self.people, :]

    def parts_of(self, packed: Any) -> Any:
        """Return `[..., parts, per_part, 6]`."""
        rows = packed[..., self.people : self.people + self.parts * self.per_part, :]
        return rows.reshape(*rows.shape[:-2], self.parts, self.per_part, BOX_COLUMNS)

    def objects_of(self, packed: Any) -> Any:
        """Return `[..., objects, 6]`; the last column is the class, an index into the detector's names."""
        return packed[..., self.people + self.parts * self.per_part :, :]


def sort_regions(boxes: Tensor, kinds: Tensor, layout: RegionLayout) -> Tensor:
    """Return the best boxes of each kind in the order of `layout`: `[B, layout.rows, 6]`.

    boxes `[B, R, 6]` in any order, score 0 for none; kinds int64 `[classes]` on the boxes' device: 0 for the person,
    1 + p for part p, −1 for objects.
    """
    kind = kinds[boxes[..., 5].long()]  # [B, R]
    scores = boxes[..., 4]
    masks = [kind == 0]
    masks += [kind == 1 + part for part in range(layout.parts)]
    masks += [kind < 0]
    counts = [layout.people, *[layout.per_part] * layout.parts, layout.objects]
    return torch.cat([_best(boxes, scores * mask, count) for mask, count in zip(masks, counts, strict=True)], 1)


def kinds_of(classes: RegionClasses) -> list[int]:
    """Return the kind of each class for `sort_regions`."""
    kinds = [-1] * len(classes.names)
    kinds[classes.person] = 0
    for part, column in enumerate(classes.parts):
        kinds[column] = 1 + part
    return kinds


def _best(boxes: Tensor, scores: Tensor, count: int) -> Tensor:
    """Return the `count` best rows by `scores`, zeros where there are fewer: `[B, count, 6]`."""
    available = min(count, scores.shape[1])
    best, rows = scores.topk(available)
    chosen = boxes.gather(1, rows[..., None].expand(-1, -1, BOX_COLUMNS)) * (best > 0)[..., None]
    return F.pad(chosen, (0, 0, 0, count - available))


def _joined(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else ", ".join(names[:12]) + f" … ({len(names)} classes)"


class PackedRegions(Protocol):
    """The people, parts and objects of a batch of pictures."""

    @property
    def packed(self) -> Tensor:
        """float32 [B, layout.rows, 6] in input pixels."""
        ...

    @property
    def layout(self) -> RegionLayout:
        """The order of the rows of `packed`."""
        ...


class RegionNetwork(Protocol):
    """Detects people, parts and objects, as `stages.detection.cascade_rcnn.cascade_rcnn.CascadeRCNN` does."""

    classes: RegionClasses

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        ...

    def __call__(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Any]:
        """Run on pictures uint8 [B, H, W, 3] RGB and their content float32 [B, 2] (width and height without padding).

        Both lie on the device. Returns feature maps by stride, and heads for `decode`.
        """
        ...

    def decode(self, heads: Any, max_people: int) -> PackedRegions:
        """Return the regions of each picture, with at most `max_people` people."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BatchRegions:
    """The detections of a batch: float32 `[layout.rows, 6]` in input pixels on the host by frame index, and the
    pictures with their maps.
    """

    rows: dict[int, NDArray[np.float32]]
    layout: RegionLayout
    groups: list[PictureGroup]


def detect_regions(
    frames: Sequence[Lease], due: Sequence[bool], network: RegionNetwork, max_people: int, device: torch.device
) -> BatchRegions:
    """Run the network on the frames that are `due`."""
    groups: list[PictureGroup] = []
    found: list[Tensor] = []
    layout = RegionLayout(0, 0, 0, 0)
    for indices, pictures in pictures_by_shape(frames, due, device):
        content = np.array([frames[index].meta.format.content for index in indices], np.float32)
        maps, heads = network(pictures, to_device(content, device))
        regions = network.decode(heads, max_people)
        areas = [whole_area(frames[index].meta) for index in indices]
        groups.append(PictureGroup(indices, pictures, maps, areas))
        found.append(regions.packed)
        layout = regions.layout
    rows: dict[int, NDArray[np.float32]] = {}
    if found:
        # All pictures have the same number of rows, whatever their shape.
        order = [index for group in groups for index in group.frames]
        rows.update(zip(order, to_host(torch.cat(found)), strict=True))
    return BatchRegions(rows, layout, groups)


MIN_CONTAINED = 0.5
"""Least share of a part's box within the person's. In rendered pictures of two to four people, 99.7 % of the true part
boxes are assigned to the right person, and 92 % of those that lie within two people. Preferring the person whose centre
is nearer did not improve this."""


def assign_parts(
    people: NDArray[np.float32], boxes: NDArray[np.float32], scores: NDArray[np.float32], min_score: float = 0.0
) -> PartBoxes:
    """Return the parts of N people of one picture, in the order of the part classes.

    people float32 `[N, 4]`; boxes float32 `[P, K, 4]` and scores float32 `[P, K]`: K boxes found of each of P parts,
    score 0 for none. Boxes that score less than `min_score` are not assigned. A part without a box is absent.
    """
    count, (parts, found) = len(people), scores.shape
    chosen = np.full((count, parts), -1, np.int64)
    if count and found:
        usable = (scores > 0) & (scores >= min_score)
        values = _pair_values(people, boxes, np.where(usable, scores, np.float32(0)))  # [P, N, K]
        best = values.argmax(-1)
        has_candidate = values.max(-1) > 0
        for part in np.flatnonzero(has_candidate.any(-1)):
            chosen[:, part] = _one_to_one(values[part], best[part], has_candidate[part])
    present = chosen >= 0
    rows = np.arange(parts), np.maximum(chosen, 0)
    if not present.any():
        return PartBoxes(np.zeros((count, parts, 4), np.float32), np.zeros((count, parts), np.float32), present)
    return PartBoxes(
        np.where(present[..., None], boxes[rows], np.float32(0)),
        np.where(present, scores[rows], np.float32(0)),
        present,
    )


def _pair_values(people: NDArray[np.float32], boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray:
    """Return the share of each box within each person, times the box's score: float64 `[P, N, K]`, 0 for no match.

    In float64, so that rounding does not decide which assignment is best.
    """
    person, box = people.astype(np.float64)[:, None], boxes.astype(np.float64)[:, None]
    sides = np.minimum(person[..., 2:], box[..., 2:]) - np.maximum(person[..., :2], box[..., :2])
    area = (box[..., 2:] - box[..., :2]).prod(-1)
    contained = np.maximum(sides, 0).prod(-1) / np.where(area > 0, area, 1)
    return np.where(contained >= MIN_CONTAINED, contained * scores[:, None], 0.0)


def _one_to_one(values: NDArray, best: NDArray[np.int64], has_candidate: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each person's box for one part, −1 for none.

    values `[N, K]`; best `[N]`: each person's box of greatest value; has_candidate `[N]`: whether that is above 0.
    """
    chosen = np.where(has_candidate, best, -1)
    wanted = best[has_candidate]
    if len(np.unique(wanted)) == len(wanted):
        return chosen  # All boxes differ, so this is the best assignment.
    chosen[:] = -1
    rows, columns = linear_sum_assignment(values, maximize=True)
    valid = values[rows, columns] > 0
    chosen[rows[valid]] = columns[valid]
    return chosen


CASCADE_RCNN_THRESHOLDS = ScoreThresholds(
    person_score=0.1, keypoint_score=0.1, object_score=0.3, activation_score=0.5, high_score=0.5
)
"""Cascade R-CNN scores people higher than MoveNet. A score of 0.5 is a person; 0.1 may be a half-hidden one, which is
enough to continue a track but not to start one (ByteTrack). Parts score lower, because left and right share the
probability. With the narrow detector on rendered people, 42 % of all parts were found (IoU 0.3) with a score of at
least 0.1, 35 % with 0.2 and 19 % with 0.5."""


@dataclass(frozen=True, slots=True, eq=False)
class RegionDetections:
    """Implements `FrameDetections`. `part_boxes` float32 `[P, K, 4]` and `part_scores` float32 `[P, K]`: K boxes of
    each part, of any person; score 0 for none."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    part_boxes: NDArray[np.float32]
    part_scores: NDArray[np.float32]
    objects: ObjectDetections
    keypoints: None = None

    @staticmethod
    def of(
        rows: NDArray[np.float32], layout: RegionLayout, classes: RegionClasses, meta: FrameMeta
    ) -> RegionDetections:
        """Convert a network's rows `[layout.rows, 6]`, which are in input pixels."""
        scaled = rows[:, :4] * np.tile(epoch_scale(meta), 2)
        rows = np.concatenate([scaled, rows[:, 4:]], 1)
        people, parts, things = layout.people_of(rows), layout.parts_of(rows), layout.objects_of(rows)
        people, things = people[people[:, 4] > 0], things[things[:, 4] > 0]
        labels = tuple(classes.names[int(column)] for column in things[:, 5])
        return RegionDetections(
            people[:, :4],
            people[:, 4],
            parts[..., :4],
            parts[..., 4],
            ObjectDetections(things[:, :4], things[:, 4], labels),
        )

    def parts_of(self, people: NDArray[np.int64], min_score: float) -> PartBoxes:
        """Assign each part to the one of these people that contains it best."""
        return assign_parts(self.boxes[people], self.part_boxes, self.part_scores, min_score)


class RegionDetector:
    """Implements `Detector` with a network such as Cascade R-CNN."""

    has_keypoints = False
    sees_regions = False
    looks_for_objects = False
    looks_again = False

    def __init__(self, network: RegionNetwork, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`, and detect parts."""
        self._network, self._device = network, torch.device(device)

    @property
    def networks(self) -> tuple[object, ...]:
        """The region network."""
        return (self._network,)

    @property
    def default_thresholds(self) -> ScoreThresholds:
        """Cascade R-CNN's thresholds."""
        return CASCADE_RCNN_THRESHOLDS

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        return self._network.slot_format(source_size, detector_size)

    def detect(self, frames: Sequence[Lease], looks: Sequence[Look], max_people: int) -> BatchDetections:
        """Run the network on the frames whose whole picture is looked at."""
        found = detect_regions(frames, [look.whole for look in looks], self._network, max_people, self._device)
        classes = self._network.classes
        people = {
            index: RegionDetections.of(rows, found.layout, classes, frames[index].meta)
            for index, rows in found.rows.items()
        }
        return BatchDetections(dict(people), found.groups)

    def warm_up(self, pictures: Tensor, content: tuple[int, int], max_people: int) -> None:
        """Run the network on dummy pictures."""
        sizes = torch.tensor([content] * len(pictures), dtype=torch.float32).to(self._device)
        _, heads = self._network(pictures, sizes)
        to_host(self._network.decode(heads, max_people).packed)
