"""BVH files are read whole or refused, and their joints are where a plain product of matrices puts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.examples import examples
from support.training.motion_files import MIXAMO, bvh_text
from training.sources.formats.bvh import Bvh, read_bvh
from training.sources.formats.reading import FormatError

Array = NDArray[np.float64]
ORDERS = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX")


def put(folder: Path, text: str | bytes) -> Path:
    path = folder / "clip.bvh"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def plain_matrix(axis: str, degrees: float) -> Array:
    """The 4 × 4 matrix of a turn, as a textbook has it."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    found = np.eye(4)
    found[:3, :3] = {
        "X": [[1, 0, 0], [0, c, -s], [0, s, c]],
        "Y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
        "Z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
    }[axis]
    return found


def plain_positions(frame: dict[str, tuple[float, ...]], order: str, scale: float) -> dict[str, Array]:
    """Positions in one frame: a 4 × 4 matrix per joint, multiplied from the root on."""
    world: dict[str, Array] = {}
    for name, (parent, place) in MIXAMO.items():
        move = np.eye(4)
        move[:3, 3] = (
            scale * (np.array(place) - np.array(MIXAMO[parent][1]))
            if parent
            else frame.get("root", scale * np.array(place))
        )
        turn = np.eye(4)
        for axis, degrees in zip(order, frame.get(name, (0, 0, 0)), strict=True):
            turn = turn @ plain_matrix(axis, degrees)
        world[name] = (world[parent] if parent else np.eye(4)) @ move @ turn
    return {name: matrix[:3, 3] for name, matrix in world.items()}


angles = st.tuples(*[st.floats(-720, 720, width=32)] * 3)
poses = st.lists(st.dictionaries(st.sampled_from([*MIXAMO, "root"]), angles), min_size=1, max_size=3)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(frames=poses, order=st.sampled_from(ORDERS), scale=st.sampled_from([1.0, 100.0]))
def test_joints_are_where_a_plain_product_of_matrices_puts_them(
    tmp_path: Path, frames: list[dict[str, tuple[float, ...]]], order: str, scale: float
) -> None:
    bvh = read_bvh(put(tmp_path, bvh_text(frames, order=order, scale=scale)))
    names = list(MIXAMO)
    found = bvh.positions([bvh.names.index(name) for name in names])
    assert found.shape == (len(frames), len(names), 3)
    for frame, positions in zip(frames, found, strict=True):
        expected = plain_positions(frame, order, scale)
        for name, position in zip(names, positions, strict=True):
            np.testing.assert_allclose(position, expected[name], atol=2e-3 * max(scale / 100, 1) + 1e-4)


def test_end_sites_are_named_as_their_parent_and_follow_its_turn(tmp_path: Path) -> None:
    bvh = read_bvh(put(tmp_path, bvh_text([{"LeftHand": (0, 0, 90)}], order="ZXY")))
    (tip,) = bvh.positions([bvh.names.index("LeftHand_end")])[0]
    hand = np.array(MIXAMO["LeftHand"][1]) * 100
    np.testing.assert_allclose(tip, hand + np.array([5, 0, 0]), atol=1e-4)  # (0, 0, 5) turned by 90° about y


def one_joint(channels: str, offset: str, values: str) -> str:
    return (
        "HIERARCHY\nROOT a\n{\nOFFSET 5 5 5\nCHANNELS 3 Xposition Yposition Zposition\nJOINT b\n{\n"
        f"OFFSET {offset}\nCHANNELS {channels}\nEnd Site\n{{\nOFFSET 0 0 1\n}}\n}}\n}}\nMOTION\nFrames: 2\n"
        f"Frame Time: 0.04\n1 2 3 {values}\n1 2 3 {values}\n"
    )


def test_a_joints_position_channels_may_repeat_its_offset_or_hold_the_deviation_from_it(tmp_path: Path) -> None:
    channels = "3 Xposition Yposition Zposition"
    for values, expected in (("0 10.5 0", (1, 12.5, 3)), ("0 0.5 0", (1, 12.5, 3))):
        bvh = read_bvh(put(tmp_path, one_joint(channels, "0 10 0", values)))
        np.testing.assert_allclose(bvh.positions([1])[1, 0], expected, atol=1e-5)


def test_channels_of_positions_may_be_fewer_than_three(tmp_path: Path) -> None:
    bvh = read_bvh(put(tmp_path, one_joint("2 Yposition Zrotation", "7 10 0", "11 90")))
    np.testing.assert_allclose(bvh.positions([1, 2])[0], [(8, 13, 3), (8, 13, 4)], atol=1e-5)


def test_names_with_spaces_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    text = bvh_text([{}, {}], rename=lambda name: f"my {name}").replace("\n", "\r\n")
    bvh = read_bvh(put(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert bvh.names[0] == "my Hips" and len(bvh.motion) == 2


def test_frames_in_parts_equal_frames_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [{"Hips": (number, 2.0 * number, 0.0)} for number in range(7)]
    bvh = read_bvh(put(tmp_path, bvh_text(frames)))
    at_once = bvh.positions([5, 9])
    monkeypatch.setattr("training.sources.formats.bvh._CHUNK", 3)
    np.testing.assert_array_equal(bvh.positions([5, 9]), at_once)


GOOD = bvh_text([{}, {}])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("HIERARCHY\n", "ends before MOTION"),
        ("solid teapot\n", "expected HIERARCHY"),
        (GOOD[: GOOD.index("Frames")], "ends before MOTION"),
        (GOOD.rsplit("\n", 2)[0] + "\n", "ends after 1 of 2 frames"),
        (GOOD + "1 2 3\n", "has 3 values; the hierarchy has"),
        (GOOD + GOOD.splitlines()[-1] + "\n", "more than the 2 frames announced"),
        (GOOD.replace("Frames: 2", "Frames: 0"), "holds no motion"),
        (GOOD.replace("Frames: 2", "Frames: 99999999999"), "must be a whole number"),
        (GOOD.replace("Frames: 2", "Frames: -2"), "must be a whole number"),
        (GOOD.replace("Frame Time: 0.0166667", "Frame Time: 0"), "Frame Time"),
        (GOOD.replace("Frame Time: 0.0166667", "Frame Time: nan"), "Frame Time"),
        (GOOD.replace("94.000000", "nan"), "NaN"),
        (GOOD.replace("94.000000", "1e300"), "10 million or more"),
        (GOOD.replace("Zrotation", "Wrotation", 1), "channel 'Wrotation'"),
        (GOOD.replace("CHANNELS 6", "CHANNELS 60"), "number of CHANNELS"),
        (GOOD.replace("MOTION", "ROOT other\n{\n}\nMOTION"), "each person in a separate file"),
        (GOOD.replace("94.000000", "ninety"), "'ninety' is not a number"),
        (b"\xff\xfe\x00H\x00I", "not UTF-8"),
        (b"HIERARCHY\n\0\0\0", "zero bytes"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words) as raised:
        read_bvh(put(tmp_path, text))
    assert "clip.bvh" in str(raised.value)


def test_a_file_above_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, GOOD)
    with path.open("r+b") as file:
        file.truncate(2_000_000_001)  # sparse: takes no room on disk
    with pytest.raises(FormatError, match="Split it"):
        read_bvh(path)


def test_more_values_than_fit_the_memory_are_refused_before_the_motion_is_read(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="Split the file"):
        read_bvh(put(tmp_path, GOOD.replace("Frames: 2", "Frames: 9000000").replace("0.0166667", "0.002")))


def test_a_million_nested_joints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="more than 1000 joints"):
        read_bvh(put(tmp_path, "HIERARCHY\nROOT a\n{\n" + "JOINT b {\n" * 5000))


def test_a_file_that_is_missing_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.bvh"):
        with pytest.raises(FormatError, match="there is no such file"):
            read_bvh(path)


def test_reading_gives_what_was_written(tmp_path: Path) -> None:
    bvh = read_bvh(put(tmp_path, bvh_text([{"Neck": (1.5, -2, 3)}], frame_s=0.04)))
    assert isinstance(bvh, Bvh) and bvh.frame_s == pytest.approx(0.04)
    assert bvh.parents[bvh.names.index("Neck")] == bvh.names.index("Spine")
    assert bvh.channels[0][0] == ("position", 0) and bvh.channels[1] == (
        ("rotation", 2),
        ("rotation", 0),
        ("rotation", 1),
    )
