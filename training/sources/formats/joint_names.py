"""From the joints of a BVH file, by their known names, to the 20 joints of a data folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stages.settings_file import SettingsFileError, read_settings
from training.sources.formats.body import JOINT, JOINTS, OPTIONAL, Points, empty_joints
from training.sources.formats.bvh import Bvh
from training.sources.formats.reading import FormatError

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
    try:
        content: dict[Any, Any] = read_settings(path, " of our joints to the file's, such as `l_wrist: LeftHand`")
    except SettingsFileError as error:
        raise FormatError(str(error)) from None
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
