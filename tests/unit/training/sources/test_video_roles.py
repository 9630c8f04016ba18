"""Roles of labelled videos: no person is in two roles, and a source's own division counts first."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from training.sources.roles import video_roles
from training.sources.segmented_videos import SegmentedVideo, Split


def video(source: str, name: str, person: str = "", split: Split | None = None) -> SegmentedVideo:
    return SegmentedVideo(source, name, Path(name), 100, 25.0, (320, 240), (), "", person, split)


def test_le2i_is_divided_by_room_and_every_seventh_coffee_room_clip_selects() -> None:
    videos = [video("le2i", str(number)) for number in range(130)]
    expected = ["train" if number % 7 else "validation" for number in range(70)] + ["test"] * 60
    assert video_roles(videos) == expected


def test_urfd_is_never_trained_on() -> None:
    videos = [video("urfd", str(number), split=split) for number in range(70) for split in (None, "learn", "train")]
    assert set(video_roles(videos)) == {"test"}


def test_gestures_that_show_the_same_people_share_a_role() -> None:
    series = ["amila", "apka", "crossfit", "homegym", "leap", "mrpose"]
    videos = [video("gestures", f"squat/{name}-{n}", f"man{n}", "learn") for name in series for n in range(3)]
    others = [video("gestures", f"jump/series{n}-1", "man1", "learn") for n in range(11)]
    tayyab = [
        video("gestures", "push_up/tayyab-2", "man2 (also posemvp-1)", "learn"),
        video("gestures", "push_up/posemvp-1", "man2 of tayyab", "learn"),
    ]
    roles = video_roles(videos + others + tayyab)
    assert len(set(roles[: len(videos)])) == 1
    assert len(set(roles[-2:])) == 1
    # 13 units: one of each four selects
    units = [roles[0], *roles[len(videos) : -1]]
    assert len(units) == 13
    assert units.count("validation") == 3
    assert units.count("train") == 10


def test_a_persons_local_name_means_another_person_in_another_series() -> None:
    videos = [video("gestures", f"run/series{number}-1", "man1", "learn") for number in range(8)]
    assert set(video_roles(videos)) == {"train", "validation"}


@given(st.lists(st.sampled_from("abcdefghijklmnop"), min_size=1, max_size=60))
def test_a_person_has_one_role(people: list[str]) -> None:
    videos = [video("mine", f"{place}", person) for place, person in enumerate(people)]
    of_person: dict[str, set[str]] = {}
    for one, role in zip(videos, video_roles(videos), strict=True):
        of_person.setdefault(one.person, set()).add(role)
    assert all(len(roles) == 1 for roles in of_person.values())
    assert len(of_person) >= 10 or set().union(*of_person.values()) == {"train"}


def test_ten_people_give_three_for_testing_and_one_for_selection() -> None:
    videos = [video("mine", f"{number}", f"person {number % 10}") for number in range(40)]
    roles = video_roles(videos)
    assert [roles.count(role) for role in ("train", "validation", "test")] == [24, 4, 12]


def test_clips_of_unknown_people_are_divided_one_by_one() -> None:
    roles = video_roles([video("mine", f"{number:02}") for number in range(20)])
    assert [roles.count(role) for role in ("train", "validation", "test")] == [12, 2, 6]


def test_a_sources_own_division_overrides_that_by_person() -> None:
    splits: list[Split] = ["train", "validation", "test"]
    videos = [video("mine", f"{n}", f"person {n}", splits[n % 3]) for n in range(30)]
    assert video_roles(videos) == [one.split for one in videos]
