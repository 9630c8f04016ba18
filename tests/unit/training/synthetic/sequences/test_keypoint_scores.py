"""Scores of simulated detections by size, posture and sight, compared with MoveNet's on footage (docs/training.md)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.training.planar_people import person
from training.synthetic.sequences.cameras import View
from training.synthetic.sequences.detector_errors import flatness
from training.synthetic.sequences.keypoint_noise import Detections, detect

COUNT, STEPS = 300, 12
TIMES = np.linspace(0, 0.1 * (STEPS - 1), STEPS)[None].repeat(COUNT, 0)
JOINTS = {"shoulder": (5, 6), "elbow": (7, 8), "wrist": (9, 10), "hip": (11, 12), "knee": (13, 14), "ankle": (15, 16)}


def view_of(height: float, *, turn: float = 0.0, lying: bool = False, foreshortened: float = 1.0) -> View:
    """Return views of people without movement, all in sight; `foreshortened`: share of their height that is seen."""
    points = person(STEPS, turn=turn, height=height, lying=lying)[None, ..., :2].repeat(COUNT, 0)
    points[..., 1] = points[..., 1].mean() + foreshortened * (points[..., 1] - points[..., 1].mean())
    angle, shape = np.deg2rad(turn), (COUNT, STEPS)
    return View(
        points=points + 5000,
        depth=np.full((*shape, 17), 10.0),
        stature=np.full(shape, height, np.float64),
        facing=np.full(shape, np.cos(angle)),
        side=np.full(shape, np.sin(angle)),
        picture=np.tile([0.0, 0.0, 1e4, 1e4], (COUNT, 1)),
    )


def detected(view: View, **options: NDArray[np.bool_]) -> Detections:
    return detect(np.random.default_rng(4), view, TIMES, np.zeros(COUNT, dtype=bool), **options)


def scores(*views: View, percentile: float = 50) -> dict[str, float]:
    """Return each joint's score at a percentile over views, people, steps and both sides."""
    found = np.concatenate([detected(view).keypoints[..., 2] for view in views])
    return {name: float(np.percentile(found[:, :, joints], percentile)) for name, joints in JOINTS.items()}


def from_the_front(height: float) -> list[View]:
    return [view_of(height, turn=turn) for turn in (-50, -20, 20, 50)]


def from_all_sides(height: float) -> list[View]:
    return [view_of(height, turn=turn) for turn in range(0, 360, 60)]


def assert_near(found: dict[str, float], footage: dict[str, float], tolerance: float) -> None:
    assert {name: round(found[name], 2) for name in footage if abs(found[name] - footage[name]) > tolerance} == {}


def test_clear_people_of_300_pixels_score_as_on_footage() -> None:
    footage = {"shoulder": 0.78, "elbow": 0.67, "wrist": 0.58, "hip": 0.88, "knee": 0.75, "ankle": 0.69}
    assert_near(scores(*from_the_front(300)), footage, 0.08)
    best = {"shoulder": 0.88, "elbow": 0.83, "wrist": 0.80, "hip": 0.94, "knee": 0.86, "ankle": 0.83}
    assert_near(scores(*from_the_front(300), percentile=90), best, 0.08)


def test_people_of_130_pixels_score_as_on_footage() -> None:
    footage = {"shoulder": 0.71, "elbow": 0.61, "wrist": 0.51, "hip": 0.77, "knee": 0.65, "ankle": 0.61}
    assert_near(scores(*from_all_sides(130)), footage, 0.06)


def test_people_in_a_street_score_as_on_footage() -> None:
    footage = {"shoulder": 0.62, "elbow": 0.45, "wrist": 0.40, "hip": 0.67, "knee": 0.57, "ankle": 0.54}
    assert_near(scores(*from_all_sides(80)), footage, 0.08)


def test_larger_people_score_higher() -> None:
    by_height = [scores(view_of(height)) for height in (30, 50, 80, 130, 200, 300)]
    for name in JOINTS:
        values = [found[name] for found in by_height]
        assert values == sorted(values), name


def test_people_seen_from_behind_gain_less_from_their_size() -> None:
    gains = [
        sum(scores(view_of(300, turn=turn)).values()) - sum(scores(view_of(85, turn=turn)).values())
        for turn in (0, 180)
    ]
    assert gains[1] < 0.8 * gains[0]


def test_people_who_lie_in_a_room_score_as_on_footage() -> None:
    footage = {"shoulder": 0.54, "elbow": 0.34, "wrist": 0.30, "hip": 0.60, "knee": 0.48, "ankle": 0.46}
    assert_near(scores(view_of(130, turn=60, lying=True)), footage, 0.1)


def test_near_people_who_lie_lose_their_legs_more_often_than_distant_ones() -> None:
    lost = [(detected(view_of(height, lying=True)).keypoints[:, :, 15:, 2] < 0.3).mean() for height in (70, 130, 300)]
    assert lost[0] < 0.25 and lost[1] < 0.3 and 0.45 < lost[2] < 0.8


@pytest.mark.parametrize(
    ("options", "flat"),
    [
        ({}, 0.0),
        ({"turn": 90}, 0.0),
        ({"foreshortened": 0.75}, 0.0),  # from above
        ({"lying": True}, 1.0),
        ({"foreshortened": 0.1}, 1.0),  # end-on
    ],
)
def test_a_body_is_flat_if_its_trunk_is_not_upright_in_the_picture(options: dict[str, float], flat: float) -> None:
    view = view_of(200, turn=options.get("turn", 0), lying=bool(options.get("lying")),
                   foreshortened=options.get("foreshortened", 1.0))  # fmt: skip
    np.testing.assert_allclose(flatness(view), flat, atol=0.02)


def test_joints_that_a_detector_located_stay_near_their_place_and_score_alike() -> None:
    view = view_of(100, turn=90)
    located = np.arange(COUNT) % 2 == 0
    found = detected(view, located=located)
    off = np.linalg.norm(found.keypoints[..., :2] - view.points, axis=-1)
    off = np.where(found.seen, off, 0) / 100
    assert np.percentile(off[located], 99.5) < 0.03 < np.percentile(off[~located], 90)
    assert abs(np.median(found.keypoints[located][..., 2]) - np.median(found.keypoints[~located][..., 2])) < 0.03
    assert off[located].max() < 0.2 < off[~located].max()


def test_hidden_joints_are_guessed_at_lower_scores() -> None:
    view = view_of(200)
    hidden = np.zeros((COUNT, STEPS, 17), dtype=bool)
    hidden[:, :, 9] = True
    found = detected(view, hidden=hidden)
    score = found.keypoints[..., 2]
    assert np.median(score[:, :, 9]) < 0.7 * np.median(score[:, :, 10])
    assert not found.seen[:, :, 9].any() and found.seen[:, :, 10].mean() > 0.8


def test_near_people_who_lie_are_found_less_often_than_people_who_stand() -> None:
    standing, lying = (detected(view_of(300, lying=lying)).found.mean() for lying in (False, True))
    assert standing > 0.99 and 0.85 < lying < 0.99


def test_joints_that_score_next_to_nothing_are_of_a_person_who_is_not_found() -> None:
    view = view_of(200)
    view.picture[:] = (0.0, 0.0, 100.0, 100.0)  # elsewhere
    found = detected(view)
    mean = found.keypoints[..., 2].mean(-1)
    plain = ((mean > 0.05) & (mean < 0.15)).all(1)  # neither garbled nor a close-up
    assert plain.mean() > 0.9 and found.found[plain].mean() < 0.2
