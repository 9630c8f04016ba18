"""UTKinect's, Penn Action's and JHMDB's own files are read with their sides, times and labels, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from support.training.motion_files import figure, save_jhmdb, save_penn, utkinect_text, walked, y_up
from training.sources.formats.body import JOINT, JOINTS, KEYPOINT, KEYPOINTS, FormatError
from training.sources.formats.conversion import Options, converted, toes_forward
from training.sources.formats.datasets import (
    JHMDB_JOINTS,
    WORLD_UNIT,
    read_action_labels,
    read_jhmdb,
    read_penn,
    read_utkinect,
)

SEEN = [joint for joint in JOINTS if joint != "head_top"]


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_utkinects_frame_numbers_are_sixtieths_of_a_second_and_repeated_ones_are_left_out(tmp_path: Path) -> None:
    body = walked(5)
    read = read_utkinect(put(tmp_path, "joints_s01_e02.txt", utkinect_text(body, [190, 190, 194, 196, 240])))
    np.testing.assert_allclose(read.times, np.array([190, 194, 196, 240]) / 60)
    assert read.text == "s01_e02" and read.spans == ()
    for joint in SEEN:
        np.testing.assert_allclose(read.joints[:, JOINT[joint]], y_up(body)[[0, 2, 3, 4], JOINT[joint]], atol=1e-5)
    assert np.isnan(read.joints[:, JOINT["head_top"]]).all()


def test_a_kinects_person_keeps_left_and_right_and_stands_on_the_floor(tmp_path: Path) -> None:
    read = read_utkinect(put(tmp_path, "joints_s01_e01.txt", utkinect_text(walked(60), range(0, 240, 4))))
    (done,) = converted([read], Options(unit="m", up="y", tilted=True))[0]
    assert toes_forward(done.joints) == (1, 1)
    np.testing.assert_allclose(
        done.joints[0, JOINT["l_hip"]] - done.joints[0, JOINT["r_hip"]],
        figure()["l_hip"] - figure()["r_hip"],
        atol=1e-3,
    )


LABELS = "s01_e01\nwalk: 252 390\ncarry:  NaN NaN\n\nthrow: 400 430 \ns01_e02\nwalk: 10 20\n"


def test_action_labels_are_spans_in_seconds_and_limits_that_are_nan_are_left_out(tmp_path: Path) -> None:
    found = read_action_labels(put(tmp_path, "actionLabel.txt", LABELS))
    assert [(span.name, span.begin * 60, span.end * 60) for span in found["s01_e01"]] == [
        ("walk", pytest.approx(252), pytest.approx(391)),
        ("throw", pytest.approx(400), pytest.approx(431)),
    ]
    assert list(found) == ["s01_e01", "s01_e02"]


@pytest.mark.parametrize("folder", [".", "joints"])
def test_a_label_file_beside_the_joints_or_one_folder_up_is_found(tmp_path: Path, folder: str) -> None:
    put(tmp_path, "actionLabel.txt", LABELS)
    read = read_utkinect(put(tmp_path, f"{folder}/joints_s01_e02.txt", utkinect_text(walked(3), [1, 12, 30])))
    assert [span.name for span in read.spans] == ["walk"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("walk: 1 2\n", "expected `s01_e01` or"),
        ("s01_e01\nwalk: 5 2\n", r"line 2: walk ends \(2\) before it begins \(5\)"),
        ("s01_e01\nwalk: five 7\n", "are not numbers"),
        ("s01_e01\nwalk 5 7\n", "expected `s01_e01` or"),
        ("", "is empty"),
    ],
)
def test_wrong_action_labels_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        read_action_labels(put(tmp_path, "actionLabel.txt", text))


def test_joints_at_the_origin_were_not_found(tmp_path: Path) -> None:
    frames = [line.split() for line in utkinect_text(walked(3), [1, 3, 5]).splitlines()]
    frames[1][1:4] = ["0", "0", "0"]
    read = read_utkinect(put(tmp_path, "joints_s01_e01.txt", "\n".join(map(" ".join, frames))))
    assert np.isnan(read.joints[1]).all(-1).sum() == 2  # the first joint of the second frame, and head_top
    assert np.isnan(read.joints[0]).all(-1).sum() == 1


UTKINECT = utkinect_text(walked(3), [1, 3, 5])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("joints_a.txt", UTKINECT[:-30], "line 3: a frame number and 20 joints: has .* values, not 61"),
        ("joints_a.txt", UTKINECT.replace("0.", "0x", 1), "line 1: .* are not numbers"),
        ("joints_a.txt", UTKINECT.replace("0.", "320.", 1), "metres, not pixels"),
        ("joints_a.txt", "\n \n", "no frame"),
    ],
)
def test_damaged_files_are_refused_with_file_and_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words) as raised:
        read_utkinect(put(tmp_path, name, text))
    assert name in str(raised.value)


COLUMNS = np.arange(13.0)


def penn(tmp_path: Path, frames: int = 3, **fields: object) -> Path:
    x = np.tile(100 + COLUMNS, (frames, 1)) + np.arange(frames)[:, None]
    return save_penn(tmp_path / "labels" / "0007.mat", x, x + 50, **fields)


def test_penns_left_and_right_are_exchanged_and_its_head_is_the_nose(tmp_path: Path) -> None:
    read = read_penn(penn(tmp_path))
    first = read.keypoints[0]
    np.testing.assert_array_equal(first[KEYPOINT["nose"]], (100, 150, 1))
    for column, name in enumerate(("shoulder", "elbow", "wrist", "hip", "knee", "ankle")):
        left, right = first[KEYPOINT[f"l_{name}"]], first[KEYPOINT[f"r_{name}"]]
        # Columns 1, 3, … of the file are called left; the person's left is the other one.
        np.testing.assert_array_equal(right, (101 + 2 * column, 151 + 2 * column, 1))
        np.testing.assert_array_equal(left, (102 + 2 * column, 152 + 2 * column, 1))
    for name in ("l_eye", "r_eye", "l_ear", "r_ear"):
        np.testing.assert_array_equal(first[KEYPOINT[name]], (np.nan, np.nan, 0))
    assert (read.text, read.name, read.size, read.unit) == (
        "squat 0007 view=front train=1",
        "squat",
        (480, 360),
        "pixel",
    )


def test_penns_points_at_one_one_are_missing_and_the_score_is_the_visibility(tmp_path: Path) -> None:
    x = np.full((2, 13), 30.0)
    y = np.full((2, 13), 40.0)
    x[1, 5] = y[1, 5] = 1.0
    x[0, 5] = 1.0  # only one coordinate is 1: a real point at the edge
    seen = np.ones((2, 13))
    seen[:, 6] = 0
    read = read_penn(save_penn(tmp_path / "1.mat", x, y, visibility=seen))
    np.testing.assert_array_equal(read.keypoints[1, KEYPOINT["r_wrist"]], (np.nan, np.nan, 0))
    np.testing.assert_array_equal(read.keypoints[0, KEYPOINT["r_wrist"]], (1, 40, 1))
    np.testing.assert_array_equal(read.keypoints[0, KEYPOINT["l_wrist"]], (30, 40, 0))


def positions(frames: int = 4, base: float = 0.0) -> np.ndarray:
    found = np.empty((2, 15, frames))
    found[0] = np.arange(15)[:, None] + base + 100 * np.arange(frames)
    found[1] = 2 * found[0]
    return found


def test_jhmdbs_image_positions_are_preferred_and_counted_from_zero(tmp_path: Path) -> None:
    read = read_jhmdb(save_jhmdb(tmp_path, "kick_ball", "film_1", pos_img=positions(), pos_world=positions(base=0.5)))
    assert (read.name, read.text, read.unit, read.size) == ("kick_ball", "kick_ball film_1", "pixel", (320, 240))
    assert read.keypoints.shape == (4, 17, 3)
    for row, name in enumerate(JHMDB_JOINTS):
        if name:
            np.testing.assert_array_equal(read.keypoints[2, KEYPOINT[name]], (row + 200 - 1, 2 * (row + 200) - 1, 1))
    named = {name for name in JHMDB_JOINTS if name}
    assert all(np.isnan(read.keypoints[:, KEYPOINT[name], 0]).all() for name in KEYPOINTS if name not in named)


def test_jhmdbs_world_positions_are_used_if_there_are_no_image_positions(tmp_path: Path) -> None:
    read = read_jhmdb(save_jhmdb(tmp_path, "run", "film_1", pos_world=positions()))
    assert (read.unit, read.size) == (WORLD_UNIT, (0, 0))
    np.testing.assert_array_equal(read.keypoints[0, KEYPOINT["r_shoulder"]], (3, 6, 1))


def test_jhmdbs_official_divisions_are_in_the_text(tmp_path: Path) -> None:
    path = save_jhmdb(tmp_path, "run", "film_1", pos_img=positions(frames=1))
    (tmp_path / "splits").mkdir()
    (tmp_path / "splits" / "run_test_split1.txt").write_text("film_1.avi 2\nfilm_2.avi 1\n")
    (tmp_path / "splits" / "run_test_split2.txt").write_text("film_1.avi 1\n")
    assert read_jhmdb(path).text == "run split1/test split2/train film_1"


def test_wrong_contents_are_refused(tmp_path: Path) -> None:
    x = np.ones((2, 13))
    for fields, words in (
        ({"visibility": np.ones((2, 12))}, r"must be \[frames, 13\]"),
        ({"visibility": "all"}, "no numbers named visibility"),
    ):
        with pytest.raises(FormatError, match=words):
            read_penn(save_penn(tmp_path / "1.mat", x, x, **fields))
    with pytest.raises(FormatError, match=r"must be \[frames, 13\]"):
        read_penn(save_penn(tmp_path / "1.mat", x[:, :5], x[:, :5]))
    (tmp_path / "3.mat").write_bytes(b"no MATLAB file")
    with pytest.raises(FormatError, match="can't be read as a MATLAB file"):
        read_penn(tmp_path / "3.mat")
    savemat(tmp_path / "2.mat", {"z": 1})
    with pytest.raises(FormatError, match="no numbers named x"):
        read_penn(tmp_path / "2.mat")
    with pytest.raises(FormatError, match="no numbers named pos_world"):
        read_jhmdb(tmp_path / "2.mat")
    with pytest.raises(FormatError, match=r"\[2, 15, frames\]"):
        read_jhmdb(save_jhmdb(tmp_path, "run", "f", pos_img=np.ones((2, 14, 3))))
