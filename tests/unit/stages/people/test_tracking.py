"""Tracks are confirmed by detections, end after a media time, and are never reused within an epoch."""

from __future__ import annotations

import numpy as np
import pytest

from stages.detection.keypoint_detector import MOVENET_THRESHOLDS
from stages.people.tracking import CameraTracker
from stages.settings import TrackingSettings

BOX = np.array([100, 100, 160, 260], np.float32)
NONE = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def movenet_tracker() -> CameraTracker:
    return CameraTracker(TrackingSettings(), MOVENET_THRESHOLDS)


def one(x: float = 0, score: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    return (BOX + np.float32([x, 0, x, 0]))[None], np.array([score], np.float32)


def confirmed(tracker: CameraTracker, at_us: int = 0) -> int:
    tracker.update(*one(), at_us)
    people, _ = tracker.update(*one(), at_us + 80_000)
    return people[0].track


def test_a_track_is_confirmed_by_its_second_detection() -> None:
    tracker = movenet_tracker()
    assert tracker.update(*NONE, 0) == tracker.update(*one(), 80_000) == ([], [])
    people, ended = tracker.update(*one(2), 160_000)
    assert [person.track for person in people] == [1] and ended == []
    assert people[0].detection == 0 and np.array_equal(people[0].box, one(2)[0][0])


def test_tracks_of_the_first_frame_are_confirmed_at_once() -> None:
    tracker = movenet_tracker()
    boxes, scores = (np.concatenate(rows) for rows in zip(one(score=0.22), one(200), one(400), strict=True))
    people, ended = tracker.update(boxes, scores, 0)
    assert [(person.track, person.detection) for person in people] == [(1, 1), (2, 2)] and ended == []
    people, _ = tracker.update(boxes, scores, 80_000)
    assert [(person.track, person.detection) for person in people] == [(1, 1), (2, 2)]


def test_a_weak_detection_continues_a_track_but_starts_none() -> None:
    tracker = movenet_tracker()
    for n in range(5):
        assert tracker.update(*one(score=0.22), n * 80_000)[0] == []
    tracker = movenet_tracker()
    track = confirmed(tracker)
    people, _ = tracker.update(*one(score=0.16), 160_000)
    assert [person.track for person in people] == [track]


@pytest.mark.parametrize("rate", [2, 5, 12, 25, 60])
def test_a_track_ends_after_the_same_time_at_any_frame_rate(rate: int) -> None:
    tracker = movenet_tracker()
    track = confirmed(tracker)
    last = 80_000
    for n in range(1, 200):
        now = last + n * 1_000_000 // rate
        _, ended = tracker.update(*NONE, now)
        if ended:
            break
    assert ended == [track]
    assert 2_000_000 < now - last <= 2_000_000 + 1_000_000 // rate + 10
    assert tracker.alive == frozenset()


def test_a_person_who_returns_in_time_keeps_the_track_and_one_who_returns_late_gets_a_new_one() -> None:
    tracker = movenet_tracker()
    track = confirmed(tracker)
    for n in range(20):
        tracker.update(*NONE, 160_000 + n * 80_000)
    people, _ = tracker.update(*one(), 1_900_000)
    assert [person.track for person in people] == [track]
    ended = [lost for n in range(40) for lost in tracker.update(*NONE, 1_980_000 + n * 80_000)[1]]
    assert ended == [track]
    assert confirmed(tracker, 6_000_000) == track + 1


@pytest.mark.parametrize("gap_us", [40_000, 80_000, 240_000, 400_000])
def test_a_person_who_waves_their_arms_keeps_one_track_at_any_frame_rate(gap_us: int) -> None:
    """Arms change the size of the box, and the predicted edges must not diverge between sparse frames."""
    tracker = movenet_tracker()
    tracks: set[int] = set()
    missed = 0
    for n in range(60):
        spread = 10 * np.sin(n * 2.1) + 4 * np.sin(n * 0.7)
        box = (BOX + np.float32([-spread, 0, spread, 0]))[None]
        people, _ = tracker.update(box, np.array([0.5], np.float32), n * gap_us)
        tracks |= {person.track for person in people}
        missed += n > 0 and not people
    assert tracks == {1} and missed == 0


def test_between_detections_only_the_boxes_of_people_detected_last_are_extrapolated() -> None:
    tracker = movenet_tracker()
    both = np.stack([one()[0][0], one(300)[0][0]])
    for n in range(3):
        moved = both + np.float32([n * 8, 0, n * 8, 0])
        tracker.update(moved, np.array([0.5, 0.5], np.float32), n * 80_000)
    extrapolated = tracker.between(200_000)
    assert [person.detection for person in extrapolated] == [-1, -1]
    assert np.allclose(extrapolated[0].box - moved[0], [4, 0, 4, 0], atol=1e-3)
    tracker.update(moved[:1], np.array([0.5], np.float32), 240_000)
    assert len(tracker.between(280_000)) == 1
    assert tracker.alive == {1, 2}


def test_a_lost_person_is_expected_where_they_were_going_as_large_as_they_were_for_a_second() -> None:
    tracker = movenet_tracker()
    for n in range(6):
        tracker.update(*one(10 * n), n * 80_000)
    tracker.update(*NONE, 480_000)
    (box,) = tracker.expected(480_000)
    assert box == pytest.approx(one(60)[0][0], abs=1.0)
    assert tracker.expected(1_300_000) and not tracker.expected(1_500_000)
