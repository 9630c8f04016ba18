"""Joints of BVH files are found by known names or by a mapping; what is missing is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.training.motion_files import MIXAMO, bvh_text
from training.sources.formats.body import JOINT, FormatError
from training.sources.formats.bvh import Bvh, joints_of, read_bvh, read_joint_map

PATH = Path("clip.bvh")

BANDAI = {"Hips": "Hips", "Spine": "Spine", "Neck": "Neck", "Head": "Head", "HeadTop_End": "Crown"} | {
    f"{long}{part}": f"{own}_{long[0]}"
    for long in ("Left", "Right")
    for part, own in (
        ("Shoulder", "Shoulder"), ("Arm", "UpperArm"), ("ForeArm", "LowerArm"), ("Hand", "Hand"),
        ("UpLeg", "UpperLeg"), ("Leg", "LowerLeg"), ("Foot", "Foot"), ("ToeBase", "Toes"),
    )
}  # fmt: skip
BLENDER = {"Hips": "pelvis", "Spine": "spine.001", "Neck": "neck", "Head": "face", "HeadTop_End": "crown"} | {
    f"{long}{part}": f"{own}.{long[0]}"
    for long in ("Left", "Right")
    for part, own in (
        ("Shoulder", "shoulder"), ("Arm", "upper_arm"), ("ForeArm", "forearm"), ("Hand", "hand"), ("UpLeg", "thigh"),
        ("Leg", "shin"), ("Foot", "foot"), ("ToeBase", "toe"),
    )
}  # fmt: skip
ICLONE = {"Hips": "CC_Base_Hip", "Spine": "CC_Base_Waist", "Neck": "CC_Base_NeckTwist01", "Head": "CC_Base_Head"} | {
    f"{long}{part}": f"CC_Base_{long[0]}_{own}"
    for long in ("Left", "Right")
    for part, own in (
        ("Shoulder", "Clavicle"), ("Arm", "Upperarm"), ("ForeArm", "Forearm"), ("Hand", "Hand"), ("UpLeg", "Thigh"),
        ("Leg", "Calf"), ("Foot", "Foot"), ("ToeBase", "ToeBase"),
    )
}  # fmt: skip
XSENS = {
    f"{long}{part}": f"{long}{own}"
    for long in ("Left", "Right")
    for part, own in (
        ("Shoulder", "Collar"), ("Arm", "Shoulder"), ("ForeArm", "Elbow"), ("Hand", "Wrist"), ("UpLeg", "Hip"),
        ("Leg", "Knee"), ("Foot", "Ankle"), ("ToeBase", "Toe"),
    )
}  # fmt: skip


def written(tmp_path: Path, rename: Callable[[str], str]) -> Bvh:
    path = tmp_path / "clip.bvh"
    path.write_text(bvh_text([{}, {}], rename=rename, scale=1))
    return read_bvh(path)


def place(name: str) -> tuple[float, float, float]:
    return MIXAMO[name][1]


@pytest.mark.parametrize(
    "names",
    [{}, {name: f"mixamorig:{name}" for name in MIXAMO}, {name: f"mixamorig1:{name}" for name in MIXAMO}, BANDAI,
     BLENDER, ICLONE, XSENS],
    ids=["cmu", "mixamo", "mixamo-1", "bandai", "blender", "iclone", "xsens"],
)  # fmt: skip
def test_well_known_names_lead_to_the_same_joints(tmp_path: Path, names: dict[str, str]) -> None:
    bvh = written(tmp_path, lambda name: names.get(name, name))
    joints = joints_of(PATH, bvh, {})
    assert joints.shape == (2, 20, 3)
    for joint, own in (
        ("pelvis", "Hips"), ("neck", "Neck"), ("head", "Head"), ("l_shoulder", "LeftArm"), ("r_elbow", "RightForeArm"),
        ("l_wrist", "LeftHand"), ("r_hip", "RightUpLeg"), ("l_knee", "LeftLeg"), ("r_ankle", "RightFoot"),
        ("l_toe", "LeftToeBase"),
    ):  # fmt: skip
        np.testing.assert_allclose(joints[0, JOINT[joint]], place(own), atol=1e-5, err_msg=joint)


def test_a_file_without_hands_and_toes_takes_the_ends_of_forearms_and_feet(tmp_path: Path) -> None:
    few = {name: value for name, value in MIXAMO.items() if "Hand" not in name and "Toe" not in name}
    path = tmp_path / "clip.bvh"
    path.write_text(bvh_text([{}, {}], joints=few, scale=1))
    joints = joints_of(PATH, read_bvh(path), {})[0]
    np.testing.assert_allclose(joints[JOINT["l_wrist"]], np.add(place("LeftForeArm"), (0, 0, 0.05)), atol=1e-5)
    np.testing.assert_allclose(joints[JOINT["r_toe"]], np.add(place("RightFoot"), (0, 0, 0.05)), atol=1e-5)
    assert np.isnan(joints[JOINT["l_hand"]]).all()


def test_a_missing_joint_is_named_with_the_joints_of_the_file(tmp_path: Path) -> None:
    bvh = written(tmp_path, lambda name: {"LeftLeg": "Leftknie", "Head": "Kopf"}.get(name, name))
    with pytest.raises(FormatError, match=r"for head, l_knee; its joints are Hips, .*Leftknie.*--joints"):
        joints_of(PATH, bvh, {})


def test_a_mapping_names_joints_means_of_several_and_joints_to_leave_out(tmp_path: Path) -> None:
    bvh = written(tmp_path, lambda name: {"LeftLeg": "Leftknie"}.get(name, name))
    file = tmp_path / "joints.yaml"
    file.write_text("l_knee: Leftknie\npelvis: [LeftUpLeg, RightUpLeg]\nhead_top: null\n")
    joints = joints_of(PATH, bvh, read_joint_map(file))[0]
    np.testing.assert_allclose(joints[JOINT["l_knee"]], place("LeftLeg"), atol=1e-5)
    np.testing.assert_allclose(joints[JOINT["pelvis"]], (0, 0.92, 0), atol=1e-5)
    assert np.isnan(joints[JOINT["head_top"]]).all()
    as_json = tmp_path / "joints.json"
    as_json.write_text('{"l_knee": "Leftknie"}')
    assert read_joint_map(as_json) == {"l_knee": ("Leftknie",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("left_knee: a", "is not a joint of a data folder; there are head_top"),
        ("l_knee: 3", "must be a joint's name"),
        ("l_knee: {a: b}", "must be a joint's name"),
        ("- a", "must be a mapping"),
        ("l_knee: [", "joints.yaml"),
        ("3: a", "is not a joint"),
    ],
)
def test_a_wrong_mapping_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "joints.yaml"
    file.write_text(text)
    with pytest.raises(FormatError, match=words):
        read_joint_map(file)
