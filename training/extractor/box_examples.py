"""Annotated frames as pictures with boxes: which part each shows, what the part does and what its person does.

The action comes from the folder's truth file if there is one, because only some people in a video do what its class
says; otherwise from the annotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.detection.regions.region_classes import PERSON
from stages.vocabulary import PARTS
from training.annotated_videos.known_people import KnownPerson, read_known
from training.annotated_videos.person_links import box_iou
from training.kinetics_tps import AnnotatedFrame, Video
from training.kinetics_tps.seen_labels import OUTSIDE
from training.picture_training.annotated_pictures import scaled_boxes, scaled_frames
from training.picture_training.views import LabelledPicture, cropped, mirrored, swapped_sides

KINDS = (PERSON, *PARTS)
UNKNOWN = -1
_SAME_PERSON_IOU = 0.8
"""Least IoU of an annotated box and the truth's of the same person: annotated boxes are rounded to whole pixels."""
_MIRRORED = swapped_sides(KINDS)


class Example(NamedTuple):
    """A picture uint8 `[H, W, 3]` RGB and n boxes float32 `[n, 4]` in its pixels.

    int64 `[n]` each: `kind`, an index of `KINDS`; `verb` of the part and `action` of its person, indices of the lists
    given to `read_examples`, or `UNKNOWN`.
    """

    picture: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    kind: NDArray[np.int64]
    verb: NDArray[np.int64]
    action: NDArray[np.int64]


def read_examples(
    root: Path, video: Video, indices: Sequence[int], verbs: Sequence[str], actions: Sequence[str], short_side: int
) -> Iterator[Example]:
    """Yield the annotated frames with these indices, in order, their shorter side scaled to `short_side`.

    Raises `training.video.frames.VideoReadError`, and `training.synthetic.videos.truth.TruthError` for an invalid truth
    file.
    """
    _, known = read_known(root, video)
    for lease, frame, scale in scaled_frames(video, indices, short_side):
        doing = _actions(frame, known[frame.index - 1])
        rows: list[tuple[tuple[float, ...], int, int, int]] = []
        for person, action in zip(frame.people, doing, strict=True):
            does = _place(action, actions)
            rows.append((person.box, 0, UNKNOWN, does))
            for name, part in person.parts.items():
                if name not in KINDS:
                    continue
                verb = UNKNOWN if part.verb == OUTSIDE else _place(part.verb, verbs)
                rows.append((part.box, KINDS.index(name), verb, does))
        numbers = np.array([row[1:] for row in rows], np.int64).reshape(-1, 3).T
        yield Example(lease.picture, scaled_boxes([row[0] for row in rows], scale), *numbers)


def random_view(example: Example, side: int, jitter: float, random: np.random.Generator) -> Example:
    """Return a random square, mirrored half of the time.

    Each box's edges are moved by up to `jitter` of its sides, to resemble detected boxes.
    """
    height, width = example.picture.shape[:2]
    view = _cropped(example, int(random.integers(width - side + 1)), int(random.integers(height - side + 1)), side)
    if random.random() < 0.5:
        flipped = mirrored(LabelledPicture(view.picture, view.boxes, view.kind), _MIRRORED)
        view = view._replace(picture=flipped.picture, boxes=flipped.boxes, kind=flipped.labels)
    sides = np.tile(view.boxes[:, 2:] - view.boxes[:, :2], 2)
    moved = view.boxes + sides * random.uniform(-jitter, jitter, view.boxes.shape).astype(np.float32)
    return view._replace(boxes=moved.clip(0, side))


def centre_view(example: Example, side: int) -> Example:
    """Return the square in the middle."""
    height, width = example.picture.shape[:2]
    return _cropped(example, (width - side) // 2, (height - side) // 2, side)


def _cropped(example: Example, left: int, top: int, side: int) -> Example:
    kept = cropped(LabelledPicture(example.picture, example.boxes, np.arange(len(example.boxes))), left, top, side)
    rows = kept.labels
    return Example(kept.picture, kept.boxes, example.kind[rows], example.verb[rows], example.action[rows])


def _actions(frame: AnnotatedFrame, known: Sequence[KnownPerson]) -> list[str | None]:
    """Return each annotated person's action: that of the known person with the same box."""
    if not known:
        return [None] * len(frame.people)
    mine, theirs = ([person.box for person in people] for people in (frame.people, known))
    overlap = box_iou(np.array(mine, np.float64).reshape(-1, 4), np.array(theirs, np.float64))
    return [known[int(row.argmax())].action if row.max() >= _SAME_PERSON_IOU else None for row in overlap]


def _place(name: str | None, names: Sequence[str]) -> int:
    return names.index(name) if name in names else UNKNOWN
