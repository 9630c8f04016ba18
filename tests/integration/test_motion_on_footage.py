"""The motion gate on real footage: every person that labellers saw walk is in motion, and little else is."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import av
import numpy as np
import pytest

import training.footage
from ring_buffers.motion.motion_gate import MotionGate
from ring_buffers.motion.motion_map import MotionMap
from ring_buffers.slot_writers import shown_size
from stages.third_party import weights
from support.luma_scenes import moves_in
from training.footage.labels import ClipLabels, read_labels

LABELS = Path(training.footage.__file__).parent
NEAR = 0.5
"""Of a person's height: motion this near a labelled person may be theirs, or their shadow's."""


def looks(labels: ClipLabels, rate: float | None = None) -> dict[float, MotionMap]:
    """Return the maps of a clip's frames, or of `rate` of them a second, by media time in seconds."""
    gate = MotionGate()
    found: dict[float, MotionMap] = {}
    with av.open(str(weights.locate(labels.asset, labels.file))) as container:
        for number, frame in enumerate(container.decode(video=0)):
            at = number / labels.frame_rate
            if rate is None or not found or at > max(found) + 1 / rate - 1e-6:
                assert shown_size(frame) == tuple(labels.size)
                found[at] = gate.look(frame, round(at * 1e6))
    return found


def share_found(labels: ClipLabels, found: dict[float, MotionMap], label: str) -> float:
    """Return the share of labelled instants with motion in the person's box, but for frames of everything."""
    times = np.array(list(found))
    hits: list[bool] = []
    for person in labels.people:
        for box in person.boxes:
            seen = found[times[np.abs(times - box.time).argmin()]]
            if person.label_at(box.time) == label and not seen.everything:
                hits.append(moves_in(seen, box.box, labels.size))
    assert hits
    return float(np.mean(hits))


@pytest.mark.parametrize("rate", [None, 2.0])
def test_walkers_of_a_street_move_and_little_else_does(rate: float | None) -> None:
    """Measured: all 439 walkers and 55 people who stand, at either rate."""
    labels = read_labels(LABELS / "vtest.a.json")
    found = looks(labels, rate)
    assert share_found(labels, found, "walk") >= 0.995
    assert share_found(labels, found, "stand") >= 0.95
    assert sum(one.everything for one in found.values()) == 1
    boxes = defaultdict(list)
    for person in labels.people:
        for box in person.boxes:
            boxes[box.time].append(box)
    elsewhere: list[float] = []
    for at in set(boxes) & set(found):
        grid = found[at].moving()
        if found[at].everything:
            continue
        free = np.ones(grid.shape, np.bool_)
        for box in boxes[at]:
            near = NEAR * (box.y2 - box.y1)
            scale = np.array((labels.size[0] / grid.shape[1], labels.size[1] / grid.shape[0]))
            x1, y1 = np.maximum(((box.x1 - near, box.y1 - near) / scale).astype(int), 0)
            x2, y2 = ((box.x2 + near, box.y2 + near) / scale).astype(int) + 1
            free[y1:y2, x1:x2] = False
        elsewhere.append(float(grid[free].mean()))
    assert np.mean(elsewhere) <= 0.02


def test_walkers_and_jumpers_in_backlight_move() -> None:
    labels = read_labels(LABELS / "sports2d.a.json")
    found = looks(labels)
    assert share_found(labels, found, "walk") == share_found(labels, found, "jump") == 1
