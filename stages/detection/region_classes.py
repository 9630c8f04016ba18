"""Which of a detector's classes is the person, which are parts, which objects; and its boxes sorted by that.

Pure, owns nothing. Everything has a fixed size, so that one copy moves a batch's answers and no one waits for a count.
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
    """Columns of a detector's outputs. `parts` is empty where it knows none: then they come from keypoints."""

    names: tuple[str, ...]
    person: int
    parts: tuple[int, ...]
    """For each of the vocabulary's parts, in its order, the part's class."""
    objects: tuple[int, ...]

    @staticmethod
    def of(names: Sequence[str], parts: Sequence[str]) -> RegionClasses:
        """Sort a detector's class names; raises `DetectorError` without a person, or with only some of the `parts`."""
        names = tuple(names)
        if PERSON not in names:
            raise DetectorError(f"the detector has no class `{PERSON}` among {_listed(names)}: it can't find people")
        known = [part for part in parts if part in names]
        if known and len(known) < len(parts):
            missing = [part for part in parts if part not in names]
            raise DetectorError(
                f"the detector knows {_listed(known)}, but not {_listed(missing)}: it must have all parts as classes, "
                "or none, if they come from keypoints"
            )
        person = names.index(PERSON)
        columns = tuple(names.index(part) for part in known)
        return RegionClasses(
            names, person, columns, tuple(row for row in range(len(names)) if row != person and row not in columns)
        )


@dataclass(frozen=True, slots=True)
class RegionLayout:
    """Where what lies among a picture's rows: `people` rows of persons, then `each_part` rows for each of `parts` part
    classes, then `objects` rows. Within each best first; a row that is nothing is all zeros.

    The methods take rows `[..., rows, 6]`, tensor or array, and return views.
    """

    people: int
    parts: int
    each_part: int
    objects: int

    @property
    def rows(self) -> int:
        """Rows a picture."""
        return self.people + self.parts * self.each_part + self.objects

    def people_of(self, packed: Any) -> Any:
        """`[..., people, 6]`"""
        return packed[..., : self.people, :]

    def parts_of(self, packed: Any) -> Any:
        """`[..., parts, each_part, 6]`"""
        rows = packed[..., self.people : self.people + self.parts * self.each_part, :]
        return rows.reshape(*rows.shape[:-2], self.parts, self.each_part, BOX_COLUMNS)

    def objects_of(self, packed: Any) -> Any:
        """`[..., objects, 6]`; the last column is the class, an index into the detector's names."""
        return packed[..., self.people + self.parts * self.each_part :, :]


def sort_regions(boxes: Tensor, kinds: Tensor, layout: RegionLayout) -> Tensor:
    """The best boxes of each kind, as `layout` says: `[B, layout.rows, 6]`.

    boxes `[B, R, 6]`, best first or not, score 0 for none; kinds `[classes]` int64: 0 for the person, 1 + p for part p,
    −1 for objects, on the boxes' device.
    """
    kind = kinds[boxes[..., 5].long()]  # [B, R]
    scores = boxes[..., 4]
    groups = [kind == 0]
    groups += [kind == 1 + part for part in range(layout.parts)]
    groups += [kind < 0]
    counts = [layout.people, *[layout.each_part] * layout.parts, layout.objects]
    return torch.cat([_best(boxes, scores * group, count) for group, count in zip(groups, counts, strict=True)], 1)


def kinds_of(classes: RegionClasses) -> list[int]:
    """`sort_regions`' kind of each class."""
    kinds = [-1] * len(classes.names)
    kinds[classes.person] = 0
    for part, column in enumerate(classes.parts):
        kinds[column] = 1 + part
    return kinds


def _best(boxes: Tensor, scores: Tensor, count: int) -> Tensor:
    """The `count` best rows by those scores, zeros where there are fewer: `[B, count, 6]`."""
    found = min(count, scores.shape[1])
    best, rows = scores.topk(found)
    chosen = boxes.gather(1, rows[..., None].expand(-1, -1, BOX_COLUMNS)) * (best > 0)[..., None]
    return F.pad(chosen, (0, 0, 0, count - found))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else ", ".join(names[:12]) + f" … ({len(names)} classes)"
