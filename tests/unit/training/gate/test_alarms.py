"""Alarms of two checkpoints on the same videos, paired."""

from __future__ import annotations

from training.gate.answers import Raised, alarms
from training.gate.decision import Alarm


def raised(begin_s: float, end_s: float, what: str = "fall", *, track: int | None = 1, video: str = "a") -> Raised:
    return Raised(video, what, track, begin_s, end_s)


def counted(old: list[Raised], new: list[Raised]) -> tuple[int, int, int]:
    """Return the alarms that both raise, only OLD, and only NEW."""
    found = alarms("events", [600.0], old, new).raised
    return tuple(sum((one.old, one.new) == pair for one in found) for pair in ((1, 1), (1, 0), (0, 1)))  # type: ignore


def test_alarms_that_overlap_are_one_if_video_person_and_action_are_the_same() -> None:
    old = [raised(10, 20)]
    assert counted(old, [raised(15, 30)]) == (1, 0, 0)
    assert counted(old, [raised(21, 30)]) == (0, 1, 1)
    assert counted(old, [raised(10, 20, "walk")]) == counted(old, [raised(10, 20, track=2)]) == (0, 1, 1)
    assert counted(old, [raised(10, 20, video="b")]) == (0, 1, 1)


def test_an_alarm_belongs_to_the_minute_of_its_video_in_which_it_begins() -> None:
    found = alarms("events", [90.0, 200.0], [raised(130, 190, video="b")], [raised(119, 140, video="b")])
    assert found.raised == [Alarm("fall", ("b", 1), True, True)]
    assert found.minutes == 2 + 4 and found.hours * 3600 == 290
