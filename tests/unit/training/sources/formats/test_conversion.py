"""Recordings come out in metres, z up, at 30 Hz, on the floor and around the origin."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.training.motion_files import walked, y_up
from training.sources.formats.body import JOINT, FormatError, Recording, exchanged
from training.sources.formats.conversion import (
    CHAIN_SHARE,
    Options,
    chain_length,
    converted,
    levelled,
    placed,
    resampled,
    toes_forward,
)


def recording(joints: np.ndarray, fps: float = 30.0) -> Recording:
    return Recording("clip", np.arange(len(joints)) / fps, joints.astype(np.float32))


def only(done: object) -> np.ndarray:
    return done[0][0].joints  # type: ignore[attr-defined]


@pytest.mark.parametrize(("unit", "scale"), [("m", 1), ("cm", 100), ("mm", 1000), ("inch", 1 / 0.0254)])
@pytest.mark.parametrize("up", ["y", "z"])
def test_unit_and_up_axis_are_guessed_from_the_body(unit: str, scale: float, up: str) -> None:
    body = walked(20) + np.array([3, -2, 0.4])
    given = (y_up(body) if up == "y" else body) * scale
    done = converted([recording(given)], Options())
    expected = walked(20)
    expected[..., 1] -= expected[:, JOINT["pelvis"], 1].mean()
    np.testing.assert_allclose(only(done), expected, atol=2e-3)
    assert any(f"unit: {unit}" in note for note in done[1]) and any(f"up axis: {up}" in note for note in done[1])


def test_bodies_in_unknown_units_or_with_x_up_need_an_option() -> None:
    with pytest.raises(FormatError, match="--unit or --stature"):
        converted([recording(walked(9) * 7)], Options())
    with pytest.raises(FormatError, match="--up y or --up z"):
        converted([recording(walked(9)[..., [2, 0, 1]])], Options())


def test_stature_scales_each_clip_to_one_height() -> None:
    done = converted([recording(walked(9) * 7), recording(walked(9) * 30)], Options(stature=1.8))
    for one in done[0]:
        assert chain_length(one.joints) == pytest.approx(1.8 * CHAIN_SHARE, rel=1e-3)


def test_leading_frames_are_left_out_and_one_frame_is_no_clip() -> None:
    assert len(converted([recording(walked(10))], Options(skip=4))[0][0].times) == 6
    for frames, skip in ((1, 0), (10, 9)):
        with pytest.raises(FormatError, match="a clip needs 2"):
            converted([recording(walked(frames))], Options(skip=skip))
    with pytest.raises(FormatError, match=r"times cover .* s; up to 43200 s are read"):
        converted([recording(walked(10), 1 / 8330)], Options())


@settings(max_examples=examples(25), deadline=None)
@given(st.integers(2, 40), st.floats(5, 240), st.integers(0, 2**32 - 1))
@example(40, 239.996, 0)  # its sample 8 is 0.6 µs after a time of the result
def test_resampling_equals_interpolating_each_joint_by_itself(frames: int, fps: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(frames, 20, 3)).astype(np.float32)
    joints[rng.random((frames, 20)) < 0.3] = np.nan
    given_one = recording(joints, fps)
    found = resampled(given_one, 0.5)
    assert np.allclose(np.diff(found.times), 1 / 30)
    last = given_one.times[-1]
    assert found.times[0] == 0 and last - 1 / 30 - 1e-6 < found.times[-1] <= last + 1e-6
    for place, time in enumerate(found.times):
        for joint in (0, 7, 19):
            own = [(t, p) for t, p in zip(given_one.times, joints[:, joint], strict=True) if np.isfinite(p).all()]
            before = [(t, p) for t, p in own if t <= time + 1e-6]
            after = [(t, p) for t, p in own if t >= time - 1e-6]
            point = found.joints[place, joint]
            if not before or not after or after[0][0] - before[-1][0] > 0.5:
                assert np.isnan(point).all()
            else:
                (t0, p0), (t1, p1) = before[-1], after[0]
                share = (time - t0) / (t1 - t0) if t1 > t0 else 0
                # Where a sample counts as being at this time, the joint may have moved on for the microsecond between.
                moved = 1e-6 * fps * np.ptp([p for _, p in own], 0).max()
                np.testing.assert_allclose(point, p0 + share * (p1 - p0), atol=1e-4 + moved)


def test_the_floor_is_at_zero_and_the_pelvis_in_the_middle_also_with_missing_joints() -> None:
    joints = (walked(50) + np.array([4, 5, -3])).astype(np.float32)
    joints[3] = np.nan
    joints[7, JOINT["l_toe"]] = np.nan
    done = placed(joints)
    assert np.nanmin(done[..., 2]) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(np.nanmean(done[:, JOINT["pelvis"], :2], 0), 0, atol=1e-5)
    assert np.isnan(done[3]).all() and np.isfinite(placed(np.full((4, 20, 3), np.nan, np.float32))).sum() == 0


def test_toes_point_forward_for_a_person_whose_sides_are_right_and_back_if_they_are_exchanged() -> None:
    body = walked(5).astype(np.float32)
    assert toes_forward(body) == (1, 1)
    assert toes_forward(exchanged(body)) == (0, 0)


def test_sides_are_exchanged_by_toes_for_the_whole_source_and_single_clips_legs_by_the_hips() -> None:
    body = walked(30)
    wrong_legs = exchanged(body.astype(np.float32), ("hip", "knee", "ankle", "toe"))
    several = [recording(exchanged(body.astype(np.float32))) for _ in range(3)]
    done = converted(several, Options(unit="m", up="z", sides="by-toes"))
    assert all(toes_forward(one.joints) == (1, 1) for one in done[0])
    assert "left and right were exchanged" in done[1][0]
    done = converted(
        [recording(body), recording(body), recording(wrong_legs)], Options(unit="m", up="z", sides="by-toes")
    )
    assert done[1] == ["left and right legs were exchanged in 1 clips, because hips and shoulders disagreed"]
    np.testing.assert_allclose(done[0][2].joints, done[0][0].joints, atol=1e-5)
    untouched, _ = converted([recording(wrong_legs)], Options(unit="m", up="z"))
    np.testing.assert_allclose(untouched[0].joints[0, JOINT["l_hip"], 0], 0.09, atol=1e-5)


@pytest.mark.parametrize("degrees", [-12.0, 0.0, 8.0])
def test_a_cameras_tilt_is_undone_for_a_person_who_walks_along_the_view(degrees: float) -> None:
    body = walked(100, step=0.03)
    angle = np.radians(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    tilted = body @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    done = placed(levelled(tilted.astype(np.float32)))
    np.testing.assert_allclose(done, placed(body.astype(np.float32)), atol=0.01)
