"""Tests of the counting of people who are found, and of its figures."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from benchmarks import machine
from benchmarks.model.found import (
    EMPTY,
    FOUND,
    FOUND_LATE,
    HEIGHTS,
    KEYPOINTS,
    OKS,
    PEOPLE,
    TRACKS,
    FoundMeasured,
    FoundPlan,
    Scene,
    film_sums,
    labelled_films,
    matched,
    people_clips,
    people_sums,
    print_found,
)
from benchmarks.model.found_scenes import Clip, Truth
from benchmarks.model.found_watching import Variant, Watched, WatchedPerson
from stages.settings import ModelSettings
from stages.types import PersonAnalysis
from training.sources.segmented_videos import Segment, SegmentedVideo
from training.sources.terms import DataFolderError

LEFT, RIGHT = (0.0, 0.0, 20.0, 60.0), (40.0, 0.0, 60.0, 60.0)
JOINTS = np.random.default_rng(0).uniform(0, 20, (17, 2))
NO_PICTURE = av.VideoFrame(16, 16, "yuv420p")


def published(box: tuple[float, float, float, float], score: float = 0.5, *, detected: bool = True) -> WatchedPerson:
    keypoints = np.concatenate([JOINTS, np.full((17, 1), score)], 1).astype(np.float32)
    return WatchedPerson(PersonAnalysis(1, box, score, None, [], detected), keypoints if detected else None)


def test_each_height_has_as_many_people() -> None:
    clips = people_clips(300)
    assert {height: sum(count for each, count in clips if each == height) for height in HEIGHTS} == dict.fromkeys(
        HEIGHTS, 100
    )
    assert {count for _, count in clips} == {1, 2, 3}
    assert people_clips(0) == []


def test_a_published_person_is_matched_with_one_drawn_person_best_first() -> None:
    near_left = (1.0, 0.0, 21.0, 60.0)
    assert matched(np.array([LEFT, RIGHT]), [RIGHT, near_left]) == {0: 1, 1: 0}
    assert matched(np.array([LEFT, near_left]), [LEFT]) == {0: 0}
    assert matched(np.array([LEFT]), [(10.0, 0.0, 30.0, 60.0)]) == {0: 0}
    assert matched(np.array([LEFT]), [(12.0, 0.0, 32.0, 60.0)]) == {}


def test_only_people_who_are_visible_enough_count_and_those_after_a_second_also_apart() -> None:
    def truth(share: float) -> Truth:
        return Truth(np.stack([JOINTS, JOINTS]), np.array([LEFT, RIGHT]), np.array([1.0, share]), np.full(2, 500.0))

    clip = Clip("hall", [(NO_PICTURE, at) for at in (0, 500_000, 1_000_000)], [truth(0.5), truth(0.6), truth(1.0)])
    undetected = published(RIGHT, detected=False)
    watched = Watched([0, 1, 2], [[], [published(LEFT)], [published(LEFT), undetected]], 1.0)
    sums = people_sums(clip, watched)
    assert (sums[FOUND], sums[FOUND_LATE]) == ((3, 5), (2, 2))
    assert sums[OKS] == (pytest.approx(2), 2)  # the person who was not detected has no keypoints


def test_a_labelled_frame_counts_as_found_only_if_a_person_was_detected_in_it() -> None:
    segments = (Segment(0, 4, "walk"), Segment(4, 8, "fall"), Segment(8, 12, "lie"))
    film = SegmentedVideo("urfd", "1", Path("1.mp4"), 14, 30.0, (320, 240), segments)
    people = [[published(LEFT)], [], [published(LEFT, 0.3), published(RIGHT, 0.6)], [published(LEFT, detected=False)]]
    sums = film_sums(film, Watched([3, 4, 7, 9], people, 1.0))
    assert sums == {FOUND: (1, 3), KEYPOINTS: (pytest.approx(0.6), 1)}


def labelled(folder: Path, source: str, labels: dict[str, str]) -> None:
    (folder / source).mkdir()
    for name in labels:
        (folder / source / f"{name}.mp4").touch()
    clips = {
        name: {"frames": 10, "fps": 25.0, "size": [320, 240], "segments": [[0, 5, label]]}
        for name, label in labels.items()
    }
    (folder / source / "labels.json").write_text(json.dumps({"clips": clips}))


def test_clips_of_the_other_room_with_people_who_lie_or_fall_are_chosen_evenly(tmp_path: Path) -> None:
    labelled(tmp_path, "le2i", {"9": "lie"} | {str(n): "fall" if n % 2 else "walk" for n in range(93, 106)})
    chosen = labelled_films(tmp_path, 3)
    assert [(kind, film.name) for kind, film in chosen] == [("Le2i home", name) for name in ("93", "99", "105")]
    assert len(labelled_films(tmp_path, None)) == 7


def test_a_folder_without_such_clips_is_an_error_that_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match=r"neither le2i/labels\.json nor urfd/labels\.json"):
        labelled_films(tmp_path, None)
    labelled(tmp_path, "urfd", {"1": "walk"})
    with pytest.raises(DataFolderError, match="people who lie or fall"):
        labelled_films(tmp_path, None)


@pytest.fixture
def measured() -> FoundMeasured:
    """Eight people clips and eight empty ones, watched by two variants: the second finds twice as many at half cost."""
    plan = FoundPlan((Variant("full", ModelSettings()), Variant("regions", ModelSettings())))

    def scenes(found: int, cpu_s: float) -> list[Scene]:
        people = [
            Scene(PEOPLE, f"{height} px", "", {FOUND: (found, 8), FOUND_LATE: (found, 8), OKS: (1, 2)}, 30, cpu_s)
            for height in (40, 60) * 4
        ]
        return people + [Scene(EMPTY, "nothing moves", "", {TRACKS: (0, 0.5)}, 100, cpu_s)] * 8

    return FoundMeasured(plan, {"full": scenes(3, 2.0), "regions": scenes(6, 1.0)})


def test_variants_are_compared_clip_by_clip_with_the_first(measured: FoundMeasured) -> None:
    assert measured.kinds(PEOPLE) == ["40 px", "60 px", "all"]
    assert measured.share("regions", PEOPLE, "all", FOUND) == pytest.approx((0.75, 0.75, 0.75))
    assert measured.gain("regions", PEOPLE, "all") == pytest.approx((0.375, 0.375, 0.375))
    assert measured.cpu_ratio("regions", "all") == pytest.approx((0.5, 0.5, 0.5))
    assert measured.cpu_ms("full", PEOPLE).value == pytest.approx(2000 / 30)


def test_few_clips_give_no_interval_and_no_track_does_not_mean_that_there_is_never_one(measured: FoundMeasured) -> None:
    assert measured.share("full", PEOPLE, "40 px", FOUND) == (0.375, None, None)
    rate = measured.share("full", EMPTY, "nothing moves", TRACKS)
    assert rate == pytest.approx((0, 0, 3.689 / 4), abs=1e-3)


def test_figures_are_written_and_fit_a_hundred_columns(measured: FoundMeasured) -> None:
    console = Console(width=200, record=True, file=StringIO())
    print_found(measured, machine.describe(), console)
    lines = console.export_text().splitlines()
    tables = [line for line in lines if line.startswith(("│", "┃"))]
    assert tables and max(map(len, tables)) <= 100
    figures = json.loads(json.dumps(measured.as_json(), allow_nan=False))
    assert len(figures["figures"]) == 8
    assert len(figures["clips"]["full"]) == 16
