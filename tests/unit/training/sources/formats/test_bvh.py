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
from training.sources.formats.body import FormatError
from training.sources.formats.bvh import read_bvh

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


GOOD = bvh_text([{}, {}])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("solid teapot\n", "'solid' is unexpected"),
        (GOOD[: GOOD.index("Frames")], "no lines MOTION, Frames: and Frame Time:"),
        (GOOD.rsplit("\n", 2)[0] + "\n", "has 1 frames of 2"),
        (GOOD + "1 2 3\n", "has 3 values, not"),
        (GOOD.replace("Frame Time: 0.0166667", "Frame Time: 0"), "Frame Time"),
        (GOOD.replace("94.000000", "nan"), "NaN"),
        (GOOD.replace("Zrotation", "Wrotation", 1), "hierarchy can't be read"),
        (GOOD.replace("MOTION", "ROOT other\n{\n}\nMOTION"), "each person in a separate file"),
        (b"\xff\xfe\x00H\x00I", "not UTF-8"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(FormatError, match=words) as raised:
        read_bvh(put(tmp_path, text))
    assert "clip.bvh" in str(raised.value)
