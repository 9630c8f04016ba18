"""The transforms of the mesh's bones from limb poses: joints, hands, feet, fingers.

A bone's transform is affine, because the mesh's limbs are stretched to the person's measures, so that its joints lie
exactly where `training.synthetic.motion.skeleton.joints` puts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.synthetic.motion.motion import CHEST, ELBOWS, KNEES, NECK, ROOT, quaternion_multiply
from training.synthetic.motion.skeleton import ANKLE_POINTS, HIPS, LEFT_EAR, RIGHT_EAR, SHOULDERS, Builds, joints
from training.synthetic.rendering.bodies.body_model import BONE_INDEX, BONES, Floats

Array = NDArray[np.float64]

_ANKLE = 0.04
"""Height of the ankle above the sole, in statures, as in `training.synthetic.motion.skeleton`."""
_HEEL_LIFT = (0.10, 0.20)
"""Ankle heights (statures above standing) between which a foot changes from standing on its toes to hanging freely."""
_HANGING_FOOT = 0.45
"""Radians by which a freely hanging foot points down beyond a right angle to the shin."""
_RELAXED_GRIP = 0.22
_FIST = np.array([1.2, 1.35, 0.8])
"""Radians by which the three joints of a finger bend in a fist."""
_PALM_IN = -0.35
"""Radians from the palms of the mesh's rest pose to palms that face the thighs of hanging arms."""


@dataclass(frozen=True, slots=True)
class Hands:
    """Hands beyond the wrist, left and right: `grip` [T, 2], 0 flat to 1 fist; `twist` [T, 2]: radians by which the
    forearm turns the thumb outwards (π/2: palms forward when the arms hang)."""

    grip: Array
    twist: Array

    @classmethod
    def relaxed(cls, count: int) -> Hands:
        return cls(np.full((count, 2), _RELAXED_GRIP), np.zeros((count, 2)))


@dataclass(frozen=True, slots=True, eq=False)
class RestSkeleton:
    """The mesh before posing: `heads`, `tails` [B, 3] of the bones; `stature`, `sole` (height of the ground), and the
    midpoint and distance of the ears, in metres."""

    heads: Floats
    tails: Floats
    stature: float
    sole: float
    ears: Floats
    ear_distance: float


def bone_transforms(rest: RestSkeleton, build: Builds, poses: Array, hands: Hands) -> Floats:
    """Return affine transforms [T, B, 3, 4] from one person's rest mesh (`build` of one) to limb poses [T, 39]."""
    return _Poser(rest, build, poses, hands).transforms


def matrices(quaternions: Array) -> Array:
    """Return the rotation matrices [..., 3, 3] of unit quaternions [..., 4] (w, x, y, z)."""
    w, x, y, z = np.moveaxis(quaternions, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def _unit(vector: Array) -> Array:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-9)


def _frame(along: Array, pole: Array) -> Array:
    """Return right-handed orthonormal frames [..., 3, 3]; columns: along, the pole made perpendicular to it, their
    cross."""
    along = _unit(along)
    across = _unit(pole - (pole * along).sum(-1, keepdims=True) * along)
    return np.stack([along, across, np.cross(along, across)], -1)


def _turn(axis: Array, angle: Array) -> Array:
    """Return rotation matrices [..., 3, 3] by `angle` [...] about unit vectors `axis` [..., 3]."""
    half = np.asarray(angle)[..., None] / 2
    return matrices(np.concatenate([np.cos(half), np.sin(half) * axis], -1))


def _between(first: Array, second: Array, share: float) -> Array:
    """Return unit quaternions [T, 4] that are `share` of the way from the first to the second."""
    second = np.where((first * second).sum(-1, keepdims=True) < 0, -second, second)
    return _unit(first + share * (second - first))


def _smooth(value: Array, low: float, high: float) -> Array:
    x = np.clip((value - low) / (high - low), 0.0, 1.0)
    return x * x * (3 - 2 * x)


class _Poser:
    """Computes one bone after another, parents before children."""

    def __init__(self, rest: RestSkeleton, build: Builds, poses: Array, hands: Hands) -> None:
        self.rest, self.poses, self.hands = rest, poses, hands
        self.count = len(poses)
        self.stature = float(build.stature[0])
        self.girth = self.stature / rest.stature
        self.torso = float(build.torso[0])
        self.hip, self.shoulder = float(build.hip[0]), float(build.shoulder[0])
        points, _ = joints(poses[None], build)
        self.points: Array = points[0]
        self.linear = np.zeros((self.count, len(BONES), 3, 3))
        self.origin = np.zeros((self.count, len(BONES), 3))
        """The posed place of each bone's head."""
        self._trunk()
        for side, letter in enumerate("lr"):
            self._arm(side, letter)
            self._leg(side, letter)
        moved = self.origin - np.einsum("tbij,bj->tbi", self.linear, rest.heads.astype(np.float64))
        self.transforms = np.concatenate([self.linear, moved[..., None]], -1).astype(np.float32)

    def _head_of(self, bone: str) -> Array:
        return self.rest.heads[BONE_INDEX[bone]].astype(np.float64)

    def _put(self, bone: str, linear: Array, origin: Array) -> None:
        self.linear[:, BONE_INDEX[bone]], self.origin[:, BONE_INDEX[bone]] = linear, origin

    def _carried(self, bone: str, point: Array) -> Array:
        """Return where `bone` takes a point [3] of the rest pose, [T, 3]."""
        index = BONE_INDEX[bone]
        return self.origin[:, index] + self.linear[:, index] @ (point - self._head_of(bone))

    def _trunk(self) -> None:
        root = self.poses[:, ROOT]
        chest = quaternion_multiply(root, self.poses[:, CHEST])
        head = quaternion_multiply(chest, self.poses[:, NECK])
        self.root, self.chest = matrices(root), matrices(chest)
        hips = (self._head_of("thigh_l") + self._head_of("thigh_r")) / 2
        shoulders = (self._head_of("upperarm_l") + self._head_of("upperarm_r")) / 2
        tall = self.torso / np.linalg.norm(shoulders - hips)
        wide = self.hip / abs(self._head_of("thigh_r")[2])
        broad = self.shoulder / abs(self._head_of("upperarm_r")[2])
        wide, broad = self.girth * (0.5 + 0.5 * np.clip(np.array([wide, broad]) / self.girth, 0.7, 1.4))
        middle_of = self.points[:, HIPS].mean(1)
        self._put("pelvis", self.root * np.array([self.girth, tall, wide]), middle_of)
        pelvis = self._head_of("pelvis")
        self.origin[:, BONE_INDEX["pelvis"]] += self.linear[:, BONE_INDEX["pelvis"]] @ (pelvis - hips)
        above = "pelvis"
        spine = ("spine_01", "spine_02", "spine_03")
        for number, bone in enumerate(spine, 1):
            rotation = matrices(_between(root, chest, number / 3))
            width = wide + (broad - wide) * number / 3
            self._put(bone, rotation * np.array([self.girth, tall, width]), self._carried(above, self._head_of(bone)))
            above = bone
        # The chain of bent bones ends near the shoulders, not on them, so the rest is distributed over the chain.
        missing = self.points[:, SHOULDERS].mean(1) - self._carried("spine_03", shoulders)
        for number, bone in enumerate(spine, 1):
            self.origin[:, BONE_INDEX[bone]] += missing * number / 3
        ears = self.points[:, [LEFT_EAR, RIGHT_EAR]]
        size = float(np.linalg.norm(ears[0, 0] - ears[0, 1])) / self.rest.ear_distance
        turned = matrices(head) * size
        centre = ears.mean(1)
        self._put("head", turned, centre + turned @ (self._head_of("head") - self.rest.ears))
        base = self._carried("spine_03", self._head_of("neck_01"))
        rotation = matrices(_between(chest, head, 0.5))
        self._aim("neck_01", rotation, self._head_of("head"), base, self.origin[:, BONE_INDEX["head"]])

    def _aim(self, bone: str, rotation: Array, tail: Array, start: Array, end: Array) -> None:
        """Put a bone from `start` to `end` [T, 3] with the least turn from `rotation` [T, 3, 3]."""
        rest = tail - self._head_of(bone)
        length = np.linalg.norm(rest)
        now = _unit(rotation @ (rest / length))
        want = _unit(end - start)
        axis = np.cross(now, want)
        sine, cosine = np.linalg.norm(axis, axis=-1), (now * want).sum(-1)
        rotation = _turn(_unit(axis), np.arctan2(sine, cosine)) @ rotation
        along = rest / length
        stretch = np.linalg.norm(end - start, axis=-1) / length
        grow = np.eye(3) * self.girth + (stretch - self.girth)[:, None, None] * np.outer(along, along)
        self._put(bone, rotation @ grow, start)

    def _limb(self, bones: tuple[str, str], ends: Array, pole: Array, twist: Array | None = None) -> Array:
        """Put a limb's upper and lower bone through `ends` [T, 3, 3] (joints from root to end), bent towards `pole` [T,
        3].

        `twist` [T] turns the far end. Returns the lower bone's rotation [T, 3, 3] without stretch and with the full
        twist.
        """
        rest = [self._head_of(bones[0]), self._head_of(bones[1]), self.rest.tails[BONE_INDEX[bones[1]]]]
        line = _unit(rest[2] - rest[0])
        bend = rest[1] - rest[0]
        bend = bend - (bend @ line) * line
        rotation = np.empty((self.count, 3, 3))
        for number, bone in enumerate(bones):
            start, end = ends[:, number], ends[:, number + 1]
            along = rest[number + 1] - rest[number]
            frame, target = _frame(along, bend), _frame(end - start, pole)
            if twist is not None and number == 1:
                target = target @ _turn(np.array([1.0, 0.0, 0.0]), twist / 2)
            stretch = np.linalg.norm(end - start, axis=-1) / np.linalg.norm(along)
            scale = np.stack([stretch, np.full_like(stretch, self.girth), np.full_like(stretch, self.girth)], -1)
            self._put(bone, (target * scale[:, None]) @ frame.T, start)
            if twist is not None:
                target = target @ _turn(np.array([1.0, 0.0, 0.0]), twist / 2)
            rotation = target @ frame.T
        return rotation

    def _pole(self, columns: slice, side: int, frame: Array) -> Array:
        pole = self.poses[:, columns][:, 3 * side : 3 * side + 3]
        return (frame @ pole[..., None])[..., 0]

    def _arm(self, side: int, letter: str) -> None:
        shoulder = self.points[:, SHOULDERS][:, side]
        clavicle = f"clavicle_{letter}"
        start = self._carried("spine_03", self._head_of(clavicle))
        self._aim(clavicle, self.chest, self._head_of(f"upperarm_{letter}"), start, shoulder)
        ends = self.points[:, [5 + side, 7 + side, 9 + side]]
        outwards = 1.0 if side else -1.0
        twist = outwards * (self.hands.twist[:, side] - _PALM_IN)
        pole = self._pole(ELBOWS, side, self.chest)
        rotation = self._limb((f"upperarm_{letter}", f"lowerarm_{letter}"), ends, pole, twist)
        hand = f"hand_{letter}"
        self._put(hand, rotation * self.girth, ends[:, 2])
        self._fingers(letter, rotation)

    def _fingers(self, letter: str, rotation: Array) -> None:
        side = "lr".index(letter)
        wrist = self._head_of(f"hand_{letter}")
        index, pinky = self._head_of(f"index_01_{letter}"), self._head_of(f"pinky_01_{letter}")
        palm = _unit(np.cross(index - wrist, pinky - wrist)) * (1.0 if side else -1.0)
        grip = self.hands.grip[:, side]
        for finger in ("thumb", "index", "middle", "ring", "pinky"):
            turned, above = rotation, f"hand_{letter}"
            for number in (1, 2, 3):
                bone = f"{finger}_0{number}_{letter}"
                along = _unit(self.rest.tails[BONE_INDEX[bone]] - self._head_of(bone))
                # Fingers bend towards the palm; the thumb across it.
                towards = palm if finger != "thumb" else _unit(pinky - index) + 0.5 * palm
                hinge = _unit(np.cross(along, towards))
                angle = grip * _FIST[number - 1] * (0.45 if finger == "thumb" else 1.0)
                turned = turned @ _turn(hinge, angle)
                self._put(bone, turned * self.girth, self._carried(above, self._head_of(bone)))
                above = bone

    def _leg(self, side: int, letter: str) -> None:
        ends = self.points[:, [11 + side, 13 + side, 15 + side]]
        pole = self._pole(KNEES, side, self.root)
        self._limb((f"thigh_{letter}", f"calf_{letter}"), ends, pole)
        ankle = self.points[:, ANKLE_POINTS][:, side]
        shin = _unit(ends[:, 2] - ends[:, 1])
        forward = _unit(pole - (pole * shin).sum(-1, keepdims=True) * shin)
        outwards = np.cross(shin, forward)
        hanging = np.cos(_HANGING_FOOT) * forward + np.sin(_HANGING_FOOT) * shin
        # Standing: the sole on the ground, or the toes on it and the heel above.
        level = forward - np.array([0.0, 1.0, 0.0]) * forward[:, 1:2]
        level = _unit(np.where(np.linalg.norm(level, axis=-1, keepdims=True) > 0.05, level, [[1.0, 0.0, 0.0]]))
        height = ankle[:, 1] - _ANKLE * self.stature
        foot, ball = f"foot_{letter}", f"ball_{letter}"
        rest_ankle, rest_ball = self._head_of(foot), self._head_of(ball)
        reach = self.girth * float(np.linalg.norm((rest_ball - rest_ankle)[[0, 2]]))
        lift = np.arcsin(np.clip(height / reach, -0.3, 0.95))[:, None]
        standing = np.cos(lift) * level - np.sin(lift) * np.array([0.0, 1.0, 0.0])
        free = _smooth(height / self.stature, *_HEEL_LIFT)
        free = np.maximum(free, 1 - _smooth(-shin[:, 1], 0.25, 0.6))[:, None]
        along = _unit(free * hanging + (1 - free) * standing)
        up = np.cross(outwards, along)
        up = up * np.where((up * -shin).sum(-1, keepdims=True) < 0, -1.0, 1.0)
        # In the rest pose the sole is level; its direction is that of the toes, seen from above.
        heading = (rest_ball - rest_ankle) * np.array([1.0, 0.0, 1.0])
        frame = _frame(heading, np.array([0.0, 1.0, 0.0]))
        target = _frame(along, up)
        sole = _ANKLE * self.stature / (rest_ankle[1] - self.rest.sole)
        scale = np.array([self.girth, sole, self.girth])
        self._put(foot, (target * scale) @ frame.T, ankle)
        # The toes stay level when the heel is lifted.
        toes = _frame(_unit(free * along + (1 - free) * np.where(lift > 0, level, along)), up)
        self._put(ball, (toes * scale) @ frame.T, self._carried(foot, rest_ball))
