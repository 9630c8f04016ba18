"""A folder of verdicts: which can be used, whom they are on, what its clips show, and which are held out."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from msgspec.structs import replace

from stages.verdicts import verdict_file
from stages.verdicts.verdict_file import Verdict
from stages.vocabulary import packaged
from support.training.data_folders import one_person, seen_people, watched_video
from support.training.judged_people import judged_flapping, put_verdicts, verdict, verdict_clips
from support.training.watched_clips import GivenPeople
from training.annotated_videos.sightings import Sightings
from training.sources.terms import DataFolderError
from training.sources.verdicts.verdict_clips import (
    SOURCE,
    JudgedClip,
    chosen,
    judged_clip,
    matching_track,
    open_verdicts,
    unit_of,
    with_roles,
)

WORDS = packaged("edge")
SMALL, LARGE = (20, 60, 60, 160), (120, 20, 300, 230)
TWO = seen_people({1: dict.fromkeys(range(100), LARGE), 2: dict.fromkeys(range(100), SMALL)})
ALONE = seen_people(one_person())
HELD_OUT_BLOCKS = [2, 17, 20, 23, 28, 33, 35, 42, 47]
"""Of the ten minutes of a day's first eight hours at one camera."""


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> GivenPeople:
    return GivenPeople(monkeypatch)


def judged(seen: Sightings, *verdicts: Verdict) -> JudgedClip:
    made, left_out = judged_clip(watched_video(SOURCE, "clip", seen=seen), verdicts)
    assert made is not None and left_out == []
    return made


# Whom a verdict is on


def test_the_track_with_the_boxes_is_learned_not_the_largest() -> None:
    clip = judged(TWO, verdict(1, "fall", "sit", TWO, track=2))
    assert clip.judged[0].track == 2
    labels = clip.watched.clip(WORDS).labels
    track = TWO.track[TWO.step]
    assert (labels.action[track == 2] == WORDS.actions.index("sit")).all()
    assert (labels.action[track == 1] == -1).all()


def test_boxes_in_a_picture_of_another_size_are_scaled() -> None:
    one = verdict(1, "fall", "sit", TWO, track=2)
    halved = replace(one, size=(160, 120), boxes=[(at, *(side / 2 for side in box)) for at, *box in one.boxes])
    assert matching_track(TWO, halved, (320, 240), 25.0) == 2
    assert matching_track(TWO, replace(one, size=(160, 120)), (320, 240), 25.0) is None


@pytest.mark.parametrize(("frames", "track"), [(50, 1), (49, None)])
def test_a_track_must_be_seen_at_half_of_the_times(frames: int, track: int | None) -> None:
    seen = seen_people(one_person(frames))
    assert matching_track(seen, verdict(1, "fall", None, ALONE), (320, 240), 25.0) == track


def test_a_person_without_a_step_in_the_span_is_not_learned() -> None:
    one = verdict(1, "fall", None, ALONE, span=(41, 42))
    made, left_out = judged_clip(watched_video(SOURCE, "clip", seen=ALONE), [one])
    assert made is None and "is not seen well enough" in left_out[0]


# What a clip shows


def test_right_and_really_are_labels_in_the_span_and_wrong_excludes_an_action() -> None:
    clip = judged(
        ALONE,
        verdict(1, "walk", "walk", ALONE, span=(0, 20)),
        verdict(2, "fall", "sit", ALONE, span=(20, 40)),
        verdict(3, "fall", None, ALONE, span=(40, 60)),
    )
    labels = clip.watched.clip(WORDS).labels
    assert labels.excluded is not None
    walk, sit, fall = (WORDS.actions.index(name) for name in ("walk", "sit", "fall"))
    for first, action, excluded in ((0, walk, -1), (10, sit, -1), (20, -1, fall), (30, -1, -1)):
        assert set(labels.action[first : first + 10]) == {action}
        assert set(labels.excluded[first : first + 10]) == {excluded}
    assert (labels.action[30:] == -1).all() and (labels.excluded[30:] == -1).all()
    assert clip.frames(clip.judged[1]) == (20, 40)


@pytest.mark.parametrize("really_first", [True, False])
def test_where_two_verdicts_differ_the_later_one_counts(really_first: bool) -> None:
    really = verdict(1 if really_first else 3, "walk", "fall", ALONE)
    wrong = verdict(2, "fall", None, ALONE)
    labels = judged(ALONE, wrong, really).watched.clip(WORDS).labels
    assert labels.excluded is not None
    fall = WORDS.actions.index("fall")
    assert set(labels.action) == {-1 if really_first else fall}
    assert set(labels.excluded) == {fall if really_first else -1}


def test_where_two_verdicts_exclude_different_actions_the_later_one_counts_and_the_other_is_named() -> None:
    clip = judged(
        ALONE,
        verdict(1, "fall", None, ALONE, span=(0, 60)),
        verdict(2, "fall", None, ALONE, span=(0, 60)),
        verdict(3, "lie", None, ALONE, span=(40, 100)),
        verdict(4, "sit", None, ALONE, span=(80, 100)),
        verdict(5, "walk", "walk", ALONE, span=(80, 90)),
    )
    assert clip.replaced() == [
        "e0000abcd-1: wrong about 'fall', but 10 of its 30 steps exclude 'lie' instead, by a later verdict",
        "e0000abcd-2: wrong about 'fall', but 10 of its 30 steps exclude 'lie' instead, by a later verdict",
        "e0000abcd-3: wrong about 'lie', but 5 of its 30 steps exclude 'sit' instead, by a later verdict",
    ]
    assert verdict_clips([clip]).in_part == tuple(clip.replaced())


def test_a_verdict_that_is_left_out_hides_no_other_one() -> None:
    clip = judged(ALONE, verdict(1, "walk", "walk", ALONE), verdict(2, "loiter", "loiter", ALONE))
    (kept,) = verdict_clips([clip]).within(WORDS.actions).clips
    assert [one.verdict.said for one in kept.judged] == ["walk"]
    assert set(kept.watched.clip(WORDS).labels.action) == {WORDS.actions.index("walk")}


# The folder


def test_a_clip_with_several_verdicts_is_watched_once(tmp_path: Path, watched: GivenPeople) -> None:
    seen = seen_people(one_person(10))
    both = [verdict(n, "fall", truth, seen, clip="one", span=(0, 10)) for n, truth in ((1, None), (2, "sit"))]
    found = open_verdicts(put_verdicts(tmp_path, *both), cache=tmp_path / "cache")
    assert watched.watched == ["one.mp4"]
    assert [len(clip.judged) for clip in found.clips] == [2]
    assert found.counts() == {"fall": {"really": 1, "wrong": 1}}


def test_damaged_files_and_unusable_verdicts_are_named_and_the_others_used(
    tmp_path: Path, watched: GivenPeople, caplog: pytest.LogCaptureFixture
) -> None:
    seen = seen_people(one_person(10))
    good, gone, empty = (verdict(n, "fall", None, seen, span=(0, 10)) for n in (1, 2, 3))
    folder = put_verdicts(tmp_path, good, gone, empty)
    (folder / "clips" / "clip-02.mp4").unlink()
    watched["clip-03.mp4"] = seen_people({})
    (folder / "labels" / "e0000abcd-4.json").write_text("{")
    skipped = verdict_file.encode(good).replace('"wrong"', '"skip"').replace("abcd-1", "abcd-5")
    (folder / "labels" / "e0000abcd-5.json").write_text(skipped)
    with caplog.at_level(logging.WARNING):
        found = open_verdicts(folder, cache=tmp_path / "cache")
    assert [one.verdict for _, one in found.verdicts()] == [good]
    assert len(found.damaged) == 2 and "e0000abcd-4.json" in caplog.text
    left_out = "\n".join(found.left_out)
    assert "e0000abcd-2" in left_out and "is missing" in left_out
    assert "e0000abcd-3: no person" in left_out
    assert found.summary()["damaged"] == 2 and found.summary()["learned"] == {"fall": {"wrong": 1}}


def test_a_folder_without_a_usable_verdict_is_an_error_with_counts(tmp_path: Path, watched: GivenPeople) -> None:
    with pytest.raises(DataFolderError, match=r"is not a folder of verdicts"):
        open_verdicts(tmp_path, cache=tmp_path / "cache")
    with pytest.raises(DataFolderError, match=r"nowhere: there is no such folder; the review page makes it"):
        open_verdicts(tmp_path / "nowhere", cache=tmp_path / "cache")
    folder = put_verdicts(tmp_path / "verdicts")
    with pytest.raises(DataFolderError, match=r"no verdict that can be used\. Verdicts read: none; damaged files: 0"):
        open_verdicts(folder, cache=tmp_path / "cache")
    put_verdicts(folder, verdict(1, "fall", None, TWO, track=2, span=(0, 10)))
    with pytest.raises(DataFolderError, match=r"Verdicts read: 1 wrong; .*left out: 1\. e0000abcd-1: no person in"):
        open_verdicts(folder, cache=tmp_path / "cache")


# Roles


def held_out(clips: list[JudgedClip], *learned_before: str) -> set[str]:
    return {clip.name for clip in with_roles(clips, hold_out=True, learned_before=learned_before) if clip.held_out}


def test_clips_of_a_camera_that_begin_in_the_same_ten_minutes_are_one_unit() -> None:
    assert unit_of("door", "20261130T054012345Z_door_fall") == "door/20261130T0540"
    assert unit_of("door", "20261130T054959999Z_door_sit-2") == "door/20261130T0540"
    assert unit_of("door", "20261130T055000000Z_door_fall") == "door/20261130T0550"
    assert unit_of("yard", "20261130T054012345Z_yard_fall") == "yard/20261130T0540"
    assert unit_of("door", "clip-1") == "door/clip-1"
    one = judged_flapping(1, "fall", None, clip="20261130T054012345Z_yard_fall", camera="yard")
    assert one.unit == "yard/20261130T0540"


def test_about_one_unit_in_five_is_held_out_as_in_every_version() -> None:
    units = [f"door/20261130T{at // 6:02}{at % 6}0" for at in range(144)]
    assert 0.1 < sum(map(chosen, units)) / len(units) < 0.3
    assert [at for at in range(48) if chosen(units[at])] == HELD_OUT_BLOCKS


def test_the_clips_of_a_unit_have_the_same_role() -> None:
    names = [f"20261130T{at // 60:02}{at % 60:02}00000Z_door_fall" for at in range(0, 120, 5)]
    clips = [judged_flapping(at, "fall", None, clip=name) for at, name in enumerate(names)]
    roles = {(clip.unit, clip.held_out) for clip in with_roles(clips, hold_out=True)}
    assert len(roles) == 12 and {held for _, held in roles} == {True, False}
    assert not any(clip.held_out for clip in with_roles(clips, hold_out=False))


def test_what_a_checkpoint_learned_is_not_held_out() -> None:
    falls = [judged_flapping(number, "fall", None) for number in range(1, 9)]
    assert held_out(falls, "door/clip-02", "door/clip-03", "yard/clip-07") == {"clip-07"}
