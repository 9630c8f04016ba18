"""UI-PRMD's markers give joint centres inside the body; wrong files are refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from support.training.motion_files import marker_frame, marker_text
from training.sources.formats.body import JOINT, FormatError
from training.sources.formats.conversion import Options, converted, toes_forward
from training.sources.formats.markers import hip_centres, read_markers


def put(folder: Path, text: str, name: str = "m01_s02_e03_positions.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_joint_centres_lie_where_the_notes_on_the_conversion_say(tmp_path: Path) -> None:
    read = read_markers(put(tmp_path, marker_text([marker_frame()] * 20)))
    joints = {name: read.joints[0, place] for name, place in JOINT.items()}
    assert len(read.times) == 20 and read.times[1] == pytest.approx(0.01)
    assert (read.text, read.spans[0].name) == ("m01_s02_e03_positions", "m01")
    np.testing.assert_allclose(joints["head"], (0, 0, 1640), atol=1e-2)
    np.testing.assert_allclose(joints["head_top"], (0, 0, 1750), atol=1e-2)
    np.testing.assert_allclose(joints["neck"], (0, 0, 1425), atol=1e-2)
    np.testing.assert_allclose(joints["l_wrist"], (45, 220, 900), atol=1e-2)
    np.testing.assert_allclose(joints["r_hand"], (60, -225, 820), atol=1e-2)
    for side, left in (("l", 1), ("r", -1)):
        for joint, marker, inwards in (("knee", 150, 55), ("elbow", 235, 35), ("ankle", 140, 40)):
            found = joints[f"{side}_{joint}"]
            assert left * found[1] == pytest.approx(marker - inwards, abs=3), joint
        assert joints[f"{side}_shoulder"][2] == pytest.approx(1450 - 45, abs=2)
    assert np.isfinite(read.joints).all()


def test_hip_centres_follow_harringtons_regression() -> None:
    lasi, rasi = np.array([[0.0, 120, 1000]]), np.array([[0.0, -120, 1000]])
    lpsi, rpsi = np.array([[-150.0, 50, 1000]]), np.array([[-150.0, -50, 1000]])
    left, right = hip_centres(lasi, rasi, lpsi, rpsi)
    x, y, z = -0.24 * 150 - 9.9, 0.33 * 240 + 7.3, -0.30 * 240 - 10.9  # pelvic depth 150 mm, width 240 mm
    np.testing.assert_allclose(left[0], (x, y, 1000 + z))
    np.testing.assert_allclose(right[0], (x, -y, 1000 + z))


def test_the_person_stands_upright_in_metres_after_the_conversion(tmp_path: Path) -> None:
    read = read_markers(put(tmp_path, marker_text([marker_frame((0, 0, 40))] * 30)))
    (done,) = converted([read], Options(unit="mm", up="z"))[0]
    assert toes_forward(done.joints) == (1, 1)
    assert done.joints[0, JOINT["head_top"], 2] == pytest.approx(1.72, abs=0.01)


def test_markers_that_were_not_seen_are_missing_joints_not_joints_at_the_origin(tmp_path: Path) -> None:
    frames = [marker_frame() for _ in range(12)]
    frames[4]["LKNE"] = np.zeros(3)
    frames[5]["LKNE"] = np.full(3, np.nan)
    joints = read_markers(put(tmp_path, marker_text(frames))).joints
    assert np.isnan(joints[[4, 5], JOINT["l_knee"]]).all()
    assert np.isfinite(joints[[3, 6], JOINT["l_knee"]]).all() and np.isfinite(joints[4, JOINT["r_knee"]]).all()


def test_sit_to_stand_is_named_by_the_height_of_the_pelvis(tmp_path: Path) -> None:
    seconds = np.arange(600) / 100
    drop = 400 * np.interp(seconds, [0, 1, 2, 4, 5, 6], [0, 0, 1, 1, 0, 0])
    frames = [marker_frame((0, 0, -down)) for down in drop]
    read = read_markers(put(tmp_path, marker_text(frames), "m05_s01_e01_positions.txt"))
    assert [span.name for span in read.spans] == ["stand", "sit_down", "sit", "stand_up", "stand"]
    assert [span.begin for span in read.spans] == pytest.approx([0, 1, 2, 4, 5], abs=0.15)
    assert read.spans[-1].end == np.inf


def test_compressed_files_and_spaces_between_numbers_are_read(tmp_path: Path) -> None:
    text = marker_text([marker_frame()] * 12)
    path = tmp_path / "m02_s01_e01_positions_inc.txt.gz"
    path.write_bytes(gzip.compress(text.replace(",", "  ").encode()))
    read = read_markers(path)
    np.testing.assert_array_equal(read.joints, read_markers(put(tmp_path, text)).joints)
    assert (read.text, read.spans[0].name) == ("m02_s01_e01_positions_inc", "m02")


def test_damaged_files_are_refused_with_file_and_line(tmp_path: Path) -> None:
    good = marker_text([marker_frame()] * 3)
    upside_down = marker_text([{name: place * (1, 1, -1) for name, place in marker_frame().items()}] * 3)
    for text, words in (
        (good[:-40], "line 3: 39 markers: has .* values, not 117"),
        (good.replace("1640.000", "x", 1), "are not numbers"),
        (good.replace("1640.000", "inf", 1), "infinite"),
        (upside_down, "heads are below the hips"),
        ("\n\n", "no frame"),
    ):
        with pytest.raises(FormatError, match=words) as raised:
            read_markers(put(tmp_path, text))
        assert "m01_s02_e03_positions.txt" in str(raised.value)
