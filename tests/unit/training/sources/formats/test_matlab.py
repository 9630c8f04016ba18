"""Annotations of Penn Action and JHMDB come out as COCO keypoints with the person's own left and right."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy.io import loadmat, savemat

from support.examples import examples
from support.training.motion_files import save_jhmdb, save_penn
from training.sources.formats.body import KEYPOINT, KEYPOINTS
from training.sources.formats.mat_file import read_mat
from training.sources.formats.matlab import JHMDB_JOINTS, WORLD_UNIT, read_jhmdb, read_penn
from training.sources.formats.reading import FormatError

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
    with pytest.raises(FormatError, match="above a million"):
        read_penn(save_penn(tmp_path / "1.mat", x * 1e9, x))
    with pytest.raises(FormatError, match="has 0 frames"):
        read_penn(save_penn(tmp_path / "1.mat", x[:0], x[:0], visibility=x[:0]))
    savemat(tmp_path / "2.mat", {"z": 1})
    with pytest.raises(FormatError, match="no numbers named x"):
        read_penn(tmp_path / "2.mat")
    with pytest.raises(FormatError, match="neither pos_img nor pos_world"):
        read_jhmdb(tmp_path / "2.mat")
    with pytest.raises(FormatError, match=r"\[2, 15, frames\]"):
        read_jhmdb(save_jhmdb(tmp_path, "run", "f", pos_img=np.ones((2, 14, 3))))


def test_a_small_compressed_file_with_a_huge_field_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    savemat(tmp_path / "1.mat", {"x": np.zeros((9_000_000, 1))}, do_compression=True)
    assert (tmp_path / "1.mat").stat().st_size < 100_000
    with pytest.raises(FormatError, match="unpacks to more than 64 MiB"):
        read_penn(tmp_path / "1.mat")


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    array=arrays(
        st.sampled_from([np.dtype(name) for name in ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")]),
        array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=4),
    ),
    text=st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=9),
    compressed=st.booleans(),
)
def test_numbers_and_texts_equal_those_that_scipy_reads(
    tmp_path: Path, array: NDArray[Any], text: str, compressed: bool
) -> None:
    path = tmp_path / "1.mat"
    others = {"struct": {"a": 1}, "cell": np.array([1, "b"], object), "complex": np.array([[1j]])}
    savemat(path, {"array": array, "text": text, "left_out": array, **others}, do_compression=compressed)
    names = ("array", "text", *others)
    expected, found = loadmat(path, variable_names=names), read_mat(path, names)
    assert set(found) == {"array", "text"}
    np.testing.assert_array_equal(found["array"], expected["array"].astype(float))
    assert found["text"] == str(expected["text"].item() if expected["text"].size else "")


def test_files_with_the_other_byte_order_are_read(tmp_path: Path) -> None:
    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data.ljust(-(-len(data) // 8) * 8, b"\0")

    values = struct.pack(">6d", *range(6))
    parts = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 2, 3)) + element(1, b"x")
    header = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI"
    (tmp_path / "1.mat").write_bytes(header + element(14, parts + element(9, values)))
    np.testing.assert_array_equal(read_mat(tmp_path / "1.mat", ["x"])["x"], [[0, 2, 4], [1, 3, 5]])


def test_matlab_7_3_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "1.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(FormatError, match=r"save -v7"):
        read_penn(path)
    path.write_bytes(b"not a matlab file")
    with pytest.raises(FormatError, match="is not a MATLAB file of version 5"):
        read_penn(path)
    with path.open("r+b") as file:
        file.truncate(65 << 20)
    with pytest.raises(FormatError, match="larger than 64 MiB"):
        read_penn(path)


@pytest.mark.parametrize("name", ["action", "pose"])
def test_a_name_as_long_as_a_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError, match=f"{name} is a text of 1000000 letters; at most 200"):
        read_penn(penn(tmp_path, **{name: "x" * 1_000_000}))
