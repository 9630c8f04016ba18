"""UI-PRMD's Vicon files: 39 optical markers per frame, from which joint centres are estimated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.sources.formats.body import JOINT, FormatError, Recording, Span, empty_joints, numbers, text_lines, whole

Array = NDArray[np.float64]
Markers = Mapping[str, Array]

MARKERS = (
    "LFHD", "RFHD", "LBHD", "RBHD", "C7", "T10", "CLAV", "STRN", "RBAK", "LSHO", "LUPA", "LELB", "LFRM", "LWRA",
    "LWRB", "LFIN", "RSHO", "RUPA", "RELB", "RFRM", "RWRA", "RWRB", "RFIN", "LASI", "RASI", "LPSI", "RPSI", "LTHI",
    "LKNE", "LTIB", "LANK", "LHEE", "LTOE", "RTHI", "RKNE", "RTIB", "RANK", "RHEE", "RTOE",
)  # fmt: skip
"""The Plug-in Gait markers, in the order of the columns."""
FPS = 100.0
SIT_TO_STAND = "m05"
# Millimetres between a marker on the skin and the joint's centre.
_HEAD_TOP, _SHOULDER, _ELBOW, _KNEE, _ANKLE = 110.0, 45.0, 35.0, 55.0, 40.0
_MOVES_M_S = 0.12
"""Speed of the pelvis above which a person sits down or stands up."""


def read_markers(path: Path) -> Recording:
    """Read one `m01_s01_e01_positions.txt`: 117 numbers a frame, in millimetres with z up. Raises `FormatError`.

    The text is the file's name; the name is its exercise, `m01` to `m10`. In `m05` (sit to stand), the frames are
    named stand, sit_down, sit and stand_up by the pelvis' height.
    """
    rows = [
        numbers(path, line, text.replace(",", " ").split(), 3 * len(MARKERS), f"{len(MARKERS)} markers")
        for line, text in text_lines(path)
    ]
    if not rows:
        raise FormatError(f"{path}: holds no frame")
    positions = np.stack(rows).reshape(len(rows), len(MARKERS), 3)
    positions[(positions == 0).all(-1)] = np.nan  # how a marker that was not seen is stored
    joints = joint_centres({name: positions[:, number] for number, name in enumerate(MARKERS)})
    head, hips = joints[:, JOINT["head"], 2], joints[:, JOINT["pelvis"], 2]
    above = (head - hips)[np.isfinite(head - hips)]
    if len(above) and np.median(above) < 0:
        raise FormatError(f"{path}: heads are below the hips; are the columns the {len(MARKERS)} markers in order?")
    times = np.arange(len(rows)) / FPS
    stem = path.name.split(".")[0]
    exercise = re.match(r"m\d\d", stem)
    name = exercise[0] if exercise else stem
    spans = sit_to_stand(times, joints) if name == SIT_TO_STAND else whole(name)
    return Recording(stem, times, joints, spans)


def joint_centres(marker: Markers) -> NDArray[np.float32]:
    """Return the joints [T, 20, 3] of markers [T, 3] each, in millimetres."""
    joints = empty_joints(len(marker["C7"]))

    def put(joint: str, position: Array) -> None:
        joints[:, JOINT[joint]] = position

    front, back = (marker["LFHD"] + marker["RFHD"]) / 2, (marker["LBHD"] + marker["RBHD"]) / 2
    left, right = (marker["LFHD"] + marker["LBHD"]) / 2, (marker["RFHD"] + marker["RBHD"]) / 2
    head, neck = (front + back) / 2, (marker["C7"] + marker["CLAV"]) / 2
    put("head", head)
    put("head_top", head + _HEAD_TOP * _unit(np.cross(front - back, left - right)))
    put("neck", neck)
    hips = hip_centres(marker["LASI"], marker["RASI"], marker["LPSI"], marker["RPSI"])
    pelvis = (hips[0] + hips[1]) / 2
    put("pelvis", pelvis)
    down, to_right = _unit(pelvis - neck), _unit(hips[1] - hips[0])
    for side, hip, inwards in (("L", hips[0], to_right), ("R", hips[1], -to_right)):
        own = side.lower()
        shoulder = marker[f"{side}SHO"] + _SHOULDER * down
        wrist = (marker[f"{side}WRA"] + marker[f"{side}WRB"]) / 2
        elbow, knee, ankle = marker[f"{side}ELB"], marker[f"{side}KNE"], marker[f"{side}ANK"]
        put(f"{own}_shoulder", shoulder)
        put(f"{own}_elbow", elbow + _ELBOW * _across(inwards, wrist - shoulder))
        put(f"{own}_wrist", wrist)
        put(f"{own}_hand", marker[f"{side}FIN"])
        put(f"{own}_hip", hip)
        put(f"{own}_knee", knee + _KNEE * _across(inwards, ankle - hip))
        put(f"{own}_ankle", ankle + _ANKLE * _across(inwards, ankle - knee))
        put(f"{own}_toe", marker[f"{side}TOE"])
    return joints


def hip_centres(lasi: Array, rasi: Array, lpsi: Array, rpsi: Array) -> tuple[Array, Array]:
    """Return the left and right hip joint centres [T, 3] in millimetres, by Harrington's regression (2007)."""
    middle = (lasi + rasi) / 2
    left = _unit(lasi - rasi)
    depth = middle - (lpsi + rpsi) / 2
    forward = _unit(depth - (depth * left).sum(-1, keepdims=True) * left)
    up = np.cross(forward, left)
    width = np.linalg.norm(lasi - rasi, axis=-1, keepdims=True)
    long = np.linalg.norm(depth, axis=-1, keepdims=True)
    base = middle + (-0.24 * long - 9.9) * forward + (-0.30 * width - 10.9) * up
    sideways = (0.33 * width + 7.3) * left
    return base + sideways, base - sideways


def sit_to_stand(times: Array, joints: NDArray[np.float32]) -> tuple[Span, ...]:
    """Name times of a sit-to-stand exercise by the height and the vertical speed of the pelvis (joints in mm)."""
    height = joints[:, JOINT["pelvis"], 2].astype(np.float64) / 1000
    known = np.isfinite(height)
    if known.sum() < 10 or np.ptp(height[known]) < 0.15:
        return ()
    height = np.interp(times, times[known], height[known])
    size = min(len(height), int(0.25 * FPS) | 1)
    smooth = np.convolve(np.pad(height, size // 2, "edge"), np.ones(size) / size, "valid")
    speed = np.gradient(smooth, times)
    low, high = np.percentile(smooth, [2, 98])
    moving = (np.abs(speed) > _MOVES_M_S) | (
        (smooth > low + 0.25 * (high - low)) & (smooth < high - 0.25 * (high - low))
    )
    names = np.where(
        moving,
        np.where(speed < 0, "sit_down", "stand_up"),
        np.where(smooth > (low + high) / 2, "stand", "sit"),
    )
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    ends = [*times[edges[1:-1]].tolist(), np.inf]
    return tuple(Span(float(times[a]), end, str(names[a])) for a, end in zip(edges, ends, strict=False))


def _unit(vectors: Array) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, np.nan)


def _across(direction: Array, limb: Array) -> Array:
    """Return unit vectors along `direction`, perpendicular to the limb."""
    along = _unit(limb)
    return _unit(direction - (direction * along).sum(-1, keepdims=True) * along)
