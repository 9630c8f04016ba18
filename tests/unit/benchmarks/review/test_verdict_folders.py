"""The folder of verdicts that the benchmark writes, read as training reads it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from benchmarks.review.stand_in import judge
from benchmarks.review.verdict_folders import Reviewed, camera_id, camera_of, shuffled, write_folder
from stages.profiles import load_checkpoint
from stages.verdicts.verdict_file import Verdict, clip_paths, is_verdicts_folder, read_all
from support.training.data_folders import FPS, SIZE, watched_video
from training.footage.segments.answered_film import AnsweredFilm, SeenPerson, Segment

WEIGHTS = "sha256:" + "0" * 64


@pytest.fixture
def reviewed(tmp_path: Path) -> list[Reviewed]:
    """Return a film of 100 frames whose person walks and sits: the first `sit` is really `walk`, the rest is right."""
    watched = watched_video("urfd", "7", (0, 50, "walk"), (50, 100, "sit"))
    path = tmp_path / "7.mp4"
    path.write_bytes(b"film")
    watched = dataclasses.replace(watched, video=dataclasses.replace(watched.video, path=path))
    labels = ["sit"] * 20 + ["walk"] * 30 + ["sit"] * 50
    answers = {
        frame: (SeenPerson(1, (1.0 + frame, 2.0, 30.0 + frame, 90.0), label, 0.8, label, 0.8),)
        for frame, label in enumerate(labels)
    }
    segments = (Segment(0, 50, "walk"), Segment(50, 100, "sit"))
    film = AnsweredFilm("urfd/7", 100, FPS, segments, answers)
    return [Reviewed(watched, film, tuple(judge(film)))]


def test_verdicts_are_written_with_their_clip_and_the_boxes_of_their_span(
    tmp_path: Path, reviewed: list[Reviewed]
) -> None:
    folder = tmp_path / "verdicts"
    assert write_folder(folder, reviewed, load_checkpoint("edge"), WEIGHTS) == 3
    first, walk, second = read_all(folder)
    assert isinstance(first, Verdict) and isinstance(walk, Verdict) and isinstance(second, Verdict)
    assert is_verdicts_folder(folder)
    assert (first.said, first.verdict, first.truth) == ("sit", "really", "walk")
    assert (second.said, second.verdict, second.truth) == ("sit", "right", "sit")
    assert (walk.said, walk.verdict, len(walk.boxes)) == ("walk", "right", 30)
    assert first.clip == second.clip and all(path.is_file() for path in clip_paths(folder, first.clip))
    assert len(first.boxes) == 20 and len(second.boxes) == 50 and first.size == SIZE
    assert camera_of(first.clip) == first.camera == camera_id(reviewed[0].watched) == "urfd-7"
    assert first.boxes[0] == (0, 1.0, 2.0, 30.0, 90.0)
    assert second.first_us == pytest.approx(50e6 / FPS, abs=2) and second.end_us == pytest.approx(100e6 / FPS, abs=2)
    assert not (tmp_path / "verdicts.recorded").exists()


def test_shuffled_verdicts_have_the_same_truths_on_other_events(reviewed: list[Reviewed]) -> None:
    many = reviewed * 10
    truths = [one.truth for film in many for one in film.verdicts]
    changed = [one.truth for film in shuffled(many, 1) for one in film.verdicts]
    assert sorted(map(str, truths)) == sorted(map(str, changed)) and truths != changed
    assert all(
        (one.said == "right") == (one.truth == one.event.label) for film in shuffled(many, 1) for one in film.verdicts
    )
