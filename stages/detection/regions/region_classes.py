"""A detector's classes sorted into person, parts and objects, and its boxes sorted accordingly.

All tensors have a fixed size, so that one copy moves the results of a batch and the host does not wait for a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.detection.detector import DetectorError

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
