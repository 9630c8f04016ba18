"""The truth of each frame of a film: boxes, joints, states and actions.

Boxes are around the visible pixels of each part. A joint is seen if the pixels at its place show the person's own part
that contains the joint, so that nothing is in front of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.vocabulary import PARTS, Vocabulary
from training.synthetic.motion.movement import ACTIONS
from training.synthetic.motion.skeleton import KEYPOINTS
from training.synthetic.rendering.bodies.body_regions import PART_NAMES
from training.synthetic.sequences.labels import part_states, relevance
from training.synthetic.sequences.scenes import UNSURE
from training.synthetic.videos.cast import Actor
from training.synthetic.videos.film import Shot
from training.synthetic.videos.truth import LEAST_VISIBLE, Keypoint, TruePerson

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_PART = 0.25
"""Share of a part that must be visible for it to be annotated."""
_LEAST_PART_PIXELS = 6
_NEAR = 0.012
"""Distance from a joint, in statures, within which a pixel of its part counts, because limbs are thin."""
_TOWARDS = -0.1
"""A joint of the face is in sight if the cosine between its outward direction and that to the camera is larger."""


def _parts_at(keypoint: str) -> tuple[str, ...]:
    side, _, joint = keypoint.partition("_")
    if joint in ("eye", "ear") or keypoint == "nose":
        return ("head",)
    limbs = {
        "shoulder": ("arm",), "elbow": ("arm",), "wrist": ("arm", "hand"),
        "hip": ("leg",), "knee": ("leg",), "ankle": ("leg", "foot"),
    }  # fmt: skip
    inner = {"shoulder": ("trunk",), "hip": ("hip", "trunk")}
    return (*(f"{side}_{limb}" for limb in limbs[joint]), *inner.get(joint, ()))


_SEEN_ON = np.array([[part in _parts_at(keypoint) for part in (*PART_NAMES, None)] for keypoint in KEYPOINTS])
"""Whether a joint belongs to a part [17, P + 1]; the last column, index −1, is no part."""


@dataclass(frozen=True, slots=True, eq=False)
class PersonLabels:
    """One person's labels in T frames: joints [T, 17, 3] metres, `states` bool [T, parts, states] of the vocabulary,
    `action` [T] (`UNSURE` at changes), `relevant` bool [T, parts] and whether that is known [T]."""

    points: Array
    states: Flags
    action: NDArray[np.int64]
    relevant: Flags
    relevance_known: Flags


def person_labels(vocabulary: Vocabulary, actor: Actor, times: Array) -> PersonLabels:
    """Return one person's labels at the middle of the frames' openings and closings `times` [2 T]."""
    first, last = slice(0, None, 2), slice(1, None, 2)
    points = (actor.points[first] + actor.points[last]) / 2
    facing = (actor.facing[first] + actor.facing[last]) / 2
    middle = (times[first] + times[last]) / 2
    tags, stature = actor.scene.tags[first][None], np.array([actor.stature])
    action = actor.scene.action
    action = np.where(action[first] == action[last], action[first], UNSURE)
    states = part_states(vocabulary, points[None], facing[None], tags, middle[None], stature)
    relevant, known = relevance(vocabulary, action[None], points[None], tags, middle[None], stature)
    return PersonLabels(points, states[0], action, relevant[0], known[0])


@dataclass(frozen=True, slots=True, eq=False)
class Observed:
    """One person as seen in one frame: their truth, and the boxes of their visible parts by name (outer edges)."""

    person: TruePerson
    parts: dict[str, tuple[float, float, float, float]]


def observe(
    shot: Shot, people_labels: Sequence[PersonLabels], statures: Sequence[float], vocabulary: Vocabulary
) -> list[Observed]:
    """Return all sufficiently visible people, by number."""
    state_labels = [state.label for state in vocabulary.states]
    out: list[Observed] = []
    for row, labels in enumerate(people_labels):
        share = float(shot.rendering.visible_share[row])
        seen = shot.rendering.visible[row] > 0
        if share < LEAST_VISIBLE or not seen.any():
            continue
        boxes = shot.rendering.boxes[row]
        box = (*boxes[seen, :2].min(0).tolist(), *boxes[seen, 2:].max(0).tolist())
        parts = _visible_parts(shot, row)
        frame = shot.row
        states = {
            part: tuple(
                state_labels[column] for column in labels.states[frame, vocabulary.part_index(part)].nonzero()[0]
            )
            for part in parts
        }
        relevant = tuple(vocabulary.parts[index] for index in labels.relevant[frame].nonzero()[0])
        action = int(labels.action[frame])
        person = TruePerson(
            number=row + 1,
            visible=round(share, 4),
            box=box,
            action=None if action == UNSURE else ACTIONS[action],
            keypoints=_keypoints(shot, row, labels.points[frame], statures[row]),
            states=states,
            relevant=relevant if labels.relevance_known[frame] else None,
            props=tuple(name for owner, name in shot.objects if owner == row),
        )
        out.append(Observed(person, parts))
    return out


def _visible_parts(shot: Shot, row: int) -> dict[str, tuple[float, float, float, float]]:
    visible, whole = shot.rendering.visible[row], shot.rendering.whole[row]
    out: dict[str, tuple[float, float, float, float]] = {}
    for index, part in enumerate(PARTS):
        if visible[index] >= max(_LEAST_PART_PIXELS, LEAST_PART * whole[index]):
            x1, y1, x2, y2 = shot.rendering.boxes[row, index].tolist()
            out[part] = (x1, y1, x2, y2)
    return out


def _keypoints(shot: Shot, row: int, points: Array, stature: float) -> tuple[Keypoint, ...]:
    """Return COCO's keypoints of a person with joints [17, 3] metres."""
    pixels, depth = shot.camera.project(points)
    height, width = shot.rendering.owner.shape
    out: list[Keypoint] = []
    for index, ((x, y), away) in enumerate(zip(pixels.tolist(), depth.tolist(), strict=True)):
        seen = away > 0 and 0 <= x < width and 0 <= y < height and _faces(shot, points, index)
        if seen:
            reach = max(1, round(_NEAR * stature * shot.camera.focal / away))
            rows = slice(max(0, int(y) - reach), int(y) + reach + 1)
            columns = slice(max(0, int(x) - reach), int(x) + reach + 1)
            own = shot.rendering.part[rows, columns][shot.rendering.owner[rows, columns] == row]
            seen = bool(_SEEN_ON[index, own].any())
        out.append((round(x, 2), round(y, 2), 1 if seen else 0))
    return tuple(out)


def _faces(shot: Shot, points: Array, index: int) -> bool:
    """Return whether the side of the head with a joint of the face is turned to the camera; True for other joints."""
    if index > 4:
        return True
    ears = points[3:5].mean(0)
    outwards = points[index] - ears
    if index in (1, 2):  # Eyes are also seen from the side, unless the nose is in front of them.
        outwards = points[0] - ears + 0.5 * (points[index] - points[1:3].mean(0))
    towards = shot.camera.position - points[index]
    cosine = outwards @ towards / max(float(np.linalg.norm(outwards) * np.linalg.norm(towards)), 1e-9)
    return bool(cosine > _TOWARDS)
