"""Watching labelled videos: what is cached and where, which track has a segment's label, and targets."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from stages.vocabulary import packaged
from support.engines.film_models import damage, make_film
from support.training.data_folders import clip_entry, put_labels, seen_people, watched_video
from support.training.folder_examples import StandIn, stand_in
from support.training.kinetics_tps_examples import FRAMES, put_clip
from training.annotated_videos.sightings import Sightings
from training.sources.segmented_videos import Segment
from training.sources.watched_videos import WatchedVideo, label_segments, watch_data_folder

__all__ = ["stand_in"]

SHOWN = FRAMES // 2
"""Pictures of a video: at 25 frames a second, the detector looks at every second frame."""
SMALL, LARGE = (10.0, 10.0, 30.0, 60.0), (100.0, 20.0, 200.0, 230.0)


def put_videos(folder: Path) -> dict[str, Path]:
    """Write two videos of `gym` and one of `home`."""
    entries = {"walk/a": clip_entry((0, 6, "walk"), (6, FRAMES, "juggle"), frames=FRAMES, split="train")}
    put_labels(folder, "gym", entries | {"b": clip_entry(frames=FRAMES, split="test")})
    put_labels(folder, "home", {"c": clip_entry((0, 2, "sit"), frames=FRAMES)})
    files = {name: folder / "video" / name for name in ("gym/walk/a.mp4", "gym/b.mp4", "home/c.mp4")}
    for number, path in enumerate(files.values()):
        path.parent.mkdir(exist_ok=True)
        put_clip(path)
        with path.open("ab") as file:  # another hash
            file.write(bytes(8 + number))
    return files


def test_videos_are_analysed_once_and_the_data_folder_is_not_changed(tmp_path: Path, stand_in: StandIn) -> None:
    data, cache = tmp_path / "data", tmp_path / "cache"
    put_videos(data)
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    counted: list[tuple[int, int]] = []
    watched = watch_data_folder(
        data, {"gym", "home"}, cache=cache, progress=lambda done, total: counted.append((done, total))
    )
    assert [(one.video.source, one.video.name, one.role) for one in watched] == [
        ("gym", "b", "test"),
        ("gym", "walk/a", "train"),
        ("home", "c", "train"),
    ]
    assert stand_in.pictures == 3 * SHOWN and counted == [(1, 3), (2, 3), (3, 3)]
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before
    assert len([*cache.rglob("*.safetensors")]) == 3

    put_labels(data, "home", {"c": clip_entry((0, FRAMES, "wave"), frames=FRAMES)})
    (again,) = watch_data_folder(data, {"home"}, cache=cache)
    assert stand_in.pictures == 3 * SHOWN, "other labels need no detection"
    assert again.actions == ("wave",) and set(again.action.tolist()) == {0}
    assert np.array_equal(again.seen.box, watched[2].seen.box)


def test_a_video_in_two_sources_is_watched_once_and_labelled_twice(tmp_path: Path, stand_in: StandIn) -> None:
    files = put_videos(tmp_path / "data")
    files["home/c.mp4"].write_bytes(files["gym/walk/a.mp4"].read_bytes())
    watched = watch_data_folder(tmp_path / "data", {"gym", "home"}, cache=tmp_path)
    assert stand_in.pictures == 2 * SHOWN
    assert [one.actions for one in watched] == [(), ("juggle", "walk"), ("sit",)]


def test_bad_videos_are_named_counted_and_left_out(
    tmp_path: Path, stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    files = put_videos(tmp_path / "data")
    damage(make_film(files["gym/b.mp4"]))
    files["home/c.mp4"].write_bytes(b"no film at all")
    with caplog.at_level(logging.WARNING):
        watched = watch_data_folder(tmp_path / "data", {"gym", "home"}, cache=tmp_path / "cache")
    assert [one.video.name for one in watched] == ["walk/a"]
    assert f"{files['gym/b.mp4']}: skipped: can't be read" in caplog.text
    assert f"{files['home/c.mp4']}: skipped: can't be read" in caplog.text
    assert "2 of 3 videos" in caplog.text


def labels_of(seen: Sightings, *segments: tuple[int, int, str | None]) -> list[tuple[int, int, str | None]]:
    """Return (track, frame, label) of each step with a label."""
    action, actions = label_segments(seen, [Segment(*segment) for segment in segments])
    steps = np.flatnonzero(seen.step)
    return [
        (int(seen.track[row]), int(seen.frame[row]), actions[index])
        for row, index in zip(steps, action, strict=True)
        if index >= 0
    ]


def test_only_the_largest_well_seen_track_of_a_segment_has_its_label() -> None:
    seen = seen_people({1: dict.fromkeys(range(10), SMALL), 2: dict.fromkeys(range(2, 10), LARGE)})
    assert labels_of(seen, (0, 8, "walk"), (8, 10, None)) == [(2, frame, "walk") for frame in (2, 4, 6)]


def test_a_large_track_that_is_rarely_seen_gives_way_to_one_that_is_seen_throughout() -> None:
    seen = seen_people({1: dict.fromkeys(range(10), SMALL), 2: dict.fromkeys(range(4), LARGE)})
    assert labels_of(seen, (0, 10, "walk")) == [(1, frame, "walk") for frame in range(0, 10, 2)]


def test_a_segment_of_which_no_track_covers_half_has_no_label() -> None:
    seen = seen_people({n: dict.fromkeys(range(4 * n, 4 * n + 4), LARGE) for n in (1, 2, 3)})
    assert labels_of(seen, (4, 16, "walk")) == []


def targets(video: WatchedVideo, part: str) -> list[tuple[str | None, bool, bool]]:
    """Return the action of each run of equal targets, and relevance and its being known of a part."""
    words = packaged("edge")
    labels, column = video.clip(words).labels, words.part_index(part)
    assert not labels.states_known.any()
    rows = [
        (
            words.actions[action] if action >= 0 else None,
            bool(labels.relevance[row, column]),
            bool(labels.relevance_known[row, column]),
        )
        for row, action in enumerate(labels.action.tolist())
    ]
    return [row for place, row in enumerate(rows) if not place or row != rows[place - 1]]


def test_relevance_is_known_where_the_action_says_it() -> None:
    video = watched_video(
        "gym", "a", (0, 10, "walk"), (10, 20, "wave"), (20, 30, "yodel"), (40, 50, "dance"), (50, 60, "pick_up")
    )
    nothing = (None, False, False)
    walk = ("walk", True, True)
    assert targets(video, "left_leg") == [
        walk,
        ("wave", False, True),
        nothing,
        ("dance", False, False),
        ("pick_up", False, True),
        nothing,
    ]
    assert targets(video, "right_hand") == [
        ("walk", False, True),
        ("wave", False, False),
        nothing,
        ("dance", False, False),
        ("pick_up", False, False),
        nothing,
    ]
    assert targets(video, "hip")[4] == ("pick_up", True, True)
