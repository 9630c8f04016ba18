"""BVH files: the hierarchy, the channels' values, and the joints' positions from them (forward kinematics)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import (
    JOINT,
    JOINTS,
    OPTIONAL,
    FormatError,
    Points,
    empty_joints,
    numbers,
    read_mapping,
    text_lines,
)

Array = NDArray[np.float64]
Channel = tuple[str, int]
"""`position` or `rotation`, and the axis, 0 to 2."""

END = "_end"
"""An `End Site` is named as its parent with this ending."""


@dataclass(frozen=True, slots=True, eq=False)
class Bvh:
    """A BVH file with J nodes (joints and end sites) over T frames.

    `names` [J]; `parents` [J], −1 for the root, parents come first; `offsets` float64 [J, 3]; `channels` [J], each
    node's in the order of the file; `motion` float32 [T, channels of all nodes]; `frame_s`: seconds between frames.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    channels: tuple[tuple[Channel, ...], ...]
    motion: NDArray[np.float32]
    frame_s: float

    def positions(self, nodes: Sequence[int]) -> NDArray[np.float32]:
        """Return the positions [T, len(nodes), 3] of these nodes, in the file's unit and axes."""
        motion, frames = self.motion.astype(np.float64), len(self.motion)
        deltas, column = self._deltas(), 0
        rotation: list[Array] = []
        place: list[Array] = []
        for node, parent in enumerate(self.parents):
            local = np.repeat(self.offsets[node][None], frames, 0)
            turn = np.broadcast_to(np.eye(3), (frames, 3, 3))
            for kind, axis in self.channels[node]:
                values, column = motion[:, column], column + 1
                if kind == "rotation":
                    turn = turn @ axis_rotations(axis, np.radians(values))
                else:
                    local[:, axis] = values + (self.offsets[node, axis] if node in deltas else 0)
            rotation.append(turn if parent < 0 else rotation[parent] @ turn)
            place.append(local if parent < 0 else place[parent] + np.einsum("tij,tj->ti", rotation[parent], local))
        return np.stack([place[node] for node in nodes], 1).astype(np.float32)

    def _deltas(self) -> set[int]:
        """Return the nodes whose position channels are added to the offset.

        The root's are positions in the world. Below it, files differ: most repeat the offset in the channels, some
        hold the deviation from it.
        """
        added: set[int] = set()
        column = 0
        for node, channels in enumerate(self.channels):
            places = [(column + n, axis) for n, (kind, axis) in enumerate(channels) if kind == "position"]
            column += len(channels)
            if self.parents[node] < 0 or not places:
                continue
            values = self.motion[:, [column for column, _ in places]]
            offset = self.offsets[node, [axis for _, axis in places]]
            if np.abs(values).mean() < np.abs(values - offset).mean():
                added.add(node)
        return added


def axis_rotations(axis: int, radians: Array) -> Array:
    """Return the rotations [T, 3, 3] by angles [T] about the axis 0, 1 or 2, for column vectors."""
    cos, sin = np.cos(radians), np.sin(radians)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    found = np.zeros((len(radians), 3, 3))
    found[:, axis, axis] = 1
    found[:, first, first] = found[:, second, second] = cos
    found[:, first, second], found[:, second, first] = -sin, sin
    return found


def read_bvh(path: Path) -> Bvh:
    """Read a BVH file. Raises `FormatError`."""
    lines = list(text_lines(path))
    start = next((at for at, (_, text) in enumerate(lines) if text.upper() == "MOTION"), len(lines))
    words = " ".join(text for _, text in lines[:start]).replace("{", " { ").replace("}", " } ").split()
    try:
        names, parents, offsets, channels = _hierarchy(iter(words))
    except (ValueError, IndexError, StopIteration) as error:
        raise FormatError(f"{path}: its hierarchy can't be read ({error}); is it a complete BVH file?") from None
    header = " ".join(text for _, text in lines[start + 1 : start + 3])
    match = re.fullmatch(r"frames:\s*(\d{1,9})\s+frame time:\s*(\S+)", header, re.IGNORECASE)
    width = sum(map(len, channels))
    if match is None or not width:
        raise FormatError(f"{path}: has no channels, or no lines MOTION, Frames: and Frame Time: after its hierarchy")
    frame_s = float(numbers(path, lines[start + 2][0], [match[2]], 1, "Frame Time")[0])
    if not 1e-4 < frame_s <= 10:
        raise FormatError(f"{path}: Frame Time {frame_s} must be above 0.0001 and up to 10 seconds")
    rows = [numbers(path, line, text.split(), width, "motion") for line, text in lines[start + 3 :]]
    if not rows or len(rows) != int(match[1]):
        raise FormatError(f"{path}: has {len(rows)} frames of {match[1]}; is it complete?")
    motion = np.stack(rows).astype(np.float32)
    if not (np.isfinite(motion).all() and np.isfinite(offsets).all()):
        raise FormatError(f"{path}: contains NaN or an infinite number; repair or remove the frame")
    return Bvh(tuple(names), tuple(parents), np.array(offsets), tuple(map(tuple, channels)), motion, frame_s)


def _hierarchy(words: Iterator[str]) -> tuple[list[str], list[int], list[list[float]], list[list[Channel]]]:
    """Return names, parents, offsets and channels of the nodes, parents first."""
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[Channel]] = []
    stack: list[int] = []
    for word in words:
        kind = word.upper()
        if kind in ("ROOT", "JOINT", "END"):
            if kind == "ROOT" and names:
                raise ValueError("a second ROOT: save each person in a separate file")
            name = " ".join(iter(lambda: next(words), "{"))
            names.append(names[stack[-1]] + END if kind == "END" else name)
            parents.append(stack[-1] if stack else -1)
            offsets.append([0.0] * 3)
            channels.append([])
            stack.append(len(names) - 1)
        elif word == "}":
            stack.pop()
        elif kind == "OFFSET":
            offsets[stack[-1]] = [float(next(words)) for _ in range(3)]
        elif kind == "CHANNELS":
            channels[stack[-1]] = [_channel(next(words)) for _ in range(int(next(words)))]
        elif kind != "HIERARCHY":
            raise ValueError(f"{word[:40]!r} is unexpected")
    if stack:
        raise ValueError("it ends early")
    return names, parents, offsets, channels


def _channel(word: str) -> Channel:
    kind = word[1:].lower()
    if kind not in ("position", "rotation"):
        raise ValueError(f"unknown channel {word[:40]!r}")
    return kind, "XYZ".index(word[:1].upper())


JointMap = Mapping[str, tuple[str, ...]]
"""For some of `JOINTS`, the file's joints whose mean they are; () if the file lacks them."""

# In order of preference. In files with clavicles (Mixamo, CMU), `LeftShoulder` is the clavicle and `LeftArm` the
# shoulder; in files with `LeftCollar`, `LeftShoulder` is the shoulder. Names as `_plain` gives them.
_MIDDLE = {
    "head_top": ("headtopend", "headtop", "headend", "headnub"),
    "head": ("head", "face"),
    "neck": ("neck", "neck1", "necktwist01", "lowerneck"),
    "pelvis": ("hips", "hip", "pelvis"),
}
_SIDED = {
    "shoulder": ("{s}arm", "{s}upperarm", "{s}uparm", "upperarm{x}", "arm{x}", "{x}upperarm", "{s}shoulder",
                 "{x}shoulder", "{x}shldr", "shoulder{x}"),
    "elbow": ("{s}forearm", "{s}lowerarm", "{s}lowarm", "lowerarm{x}", "forearm{x}", "{x}forearm", "{x}lowerarm",
              "{s}elbow", "{x}elbow", "elbow{x}"),
    "wrist": ("{s}wrist", "{x}wrist", "wrist{x}", "{s}hand", "hand{x}", "{x}hand", "{s}forearmend", "forearm{x}end",
              "{s}elbowend"),
    "hand": ("{s}handmiddle1", "{s}handindex1", "{x}mid1", "{s}fingerbase", "{s}handend", "hand{x}end", "{x}handend",
             "{s}wristend"),
    "hip": ("{s}upleg", "{s}upperleg", "{s}thigh", "upperleg{x}", "thigh{x}", "upleg{x}", "{x}thigh", "{x}upperleg",
            "{s}hip", "{x}hip"),
    "knee": ("{s}leg", "{s}lowerleg", "{s}lowleg", "{s}shin", "{s}calf", "lowerleg{x}", "shin{x}", "calf{x}",
             "leg{x}", "{x}calf", "{x}shin", "{x}lowerleg", "{s}knee", "{x}knee"),
    "ankle": ("{s}ankle", "{x}ankle", "ankle{x}", "{s}foot", "foot{x}", "{x}foot"),
    "toe": ("{s}toebase", "{s}toes", "{s}toe", "toes{x}", "toebase{x}", "toe{x}", "{x}toebase", "{x}toes", "{x}toe",
            "{s}ankleend", "{s}footend", "foot{x}end", "{x}footend"),
}  # fmt: skip
CANDIDATES = {
    joint: _MIDDLE[joint]
    if joint in _MIDDLE
    else tuple(form.format(s="left" if joint[0] == "l" else "right", x=joint[0]) for form in _SIDED[joint[2:]])
    for joint in JOINTS
}
_PREFIX = re.compile(r"^(mixamorig\d*|cc_base|bip0*1|character\d*|bip)[_ ]?", re.IGNORECASE)


def read_joint_map(path: Path) -> JointMap:
    """Read a mapping from a YAML or JSON file: `l_wrist: LeftHand`, a list of joints for their mean, null for none.

    Raises `FormatError`.
    """
    content = read_mapping(path, " of our joints to the file's, such as `l_wrist: LeftHand`")
    found: dict[str, tuple[str, ...]] = {}
    for joint, names in content.items():
        if joint not in JOINT:
            raise FormatError(f"{path}: {joint!r} is not a joint of a data folder; there are {', '.join(JOINTS)}")
        listed = [] if names is None else [names] if isinstance(names, str) else names
        if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
            raise FormatError(f"{path}: {joint}: must be a joint's name, a list of names, or null")
        found[joint] = tuple(listed)
    return found


def joints_of(path: Path, bvh: Bvh, chosen: JointMap) -> Points:
    """Return the joints [T, 20, 3] of a BVH file in its unit and axes, NaN for those it lacks.

    `chosen` goes before the well-known names. Raises `FormatError` if a needed joint is missing.
    """
    nodes: dict[str, list[int]] = {}
    lacking: list[str] = []
    by_name = {name: number for number, name in reversed(list(enumerate(bvh.names)))}
    by_plain = {_plain(name): number for number, name in reversed(list(enumerate(bvh.names))) if _useful(bvh, number)}
    for joint in JOINTS:
        if joint in chosen:
            unknown = [name for name in chosen[joint] if name not in by_name]
            if unknown:
                raise FormatError(f"{path}: has no joint {unknown[0]!r} for {joint}; {_listed(bvh)}")
            nodes[joint] = [by_name[name] for name in chosen[joint]]
        else:
            found = next((by_plain[name] for name in CANDIDATES[joint] if name in by_plain), None)
            nodes[joint] = [] if found is None else [found]
            if found is None and joint not in OPTIONAL:
                lacking.append(joint)
    if lacking:
        raise FormatError(
            f"{path}: has no joint with a known name for {', '.join(lacking)}; {_listed(bvh)}. "
            "Name them in a file and give it with --joints"
        )
    needed = sorted({node for several in nodes.values() for node in several})
    positions = bvh.positions(needed) if needed else np.empty((len(bvh.motion), 0, 3), np.float32)
    joints = empty_joints(len(bvh.motion))
    for joint, several in nodes.items():
        if several:
            joints[:, JOINT[joint]] = positions[:, [needed.index(node) for node in several]].mean(1)
    return joints


def _plain(name: str) -> str:
    """Return a name without name space, prefix and punctuation, in lower case."""
    return re.sub(r"[^a-z0-9]", "", _PREFIX.sub("", name.rsplit(":", 1)[-1]).lower())


def _useful(bvh: Bvh, node: int) -> bool:
    """Return whether a node is not an end site at the very place of its parent."""
    return bool(bvh.channels[node]) or bool(np.abs(bvh.offsets[node]).max() > 1e-6)


def _listed(bvh: Bvh) -> str:
    names = bvh.names[:80]
    more = f" and {len(bvh.names) - len(names)} more" if len(bvh.names) > len(names) else ""
    return f"its joints are {', '.join(names)}{more}"
