"""Text files of Kinect skeletons are read with their times, sides and labels, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.training.motion_files import figure, utkinect_text, walked, y_up
from training.sources.formats.body import JOINT, JOINTS, FormatError
from training.sources.formats.conversion import Options, converted, toes_forward
from training.sources.formats.datasets import read_action_labels, read_utkinect

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
