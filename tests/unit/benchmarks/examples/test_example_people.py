"""Clips of a few people for the benchmark of examples, and the shares of answers of others."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.examples.example_judging import GENERATED, Answers, mean_share, shares
from benchmarks.examples.example_people import MOST_SECONDS, captured_clips, video_clips
from support.training.captured_people import captured, waving
from support.training.data_folders import FPS, watched_video


def test_captured_clips_show_the_action_in_every_step_by_people_in_turn() -> None:
    people = [f"p{number}" for number in range(4) for _ in range(2)]
    source = captured([("wave", waving(90))] * 8, people=people)
    found = captured_clips([source], "wave", people=2, clips=4, seed=1)
    assert len(found.people) == 2 and len(found.videos) == 4
    for video in found.videos:
        assert video.role == "train" and video.actions == ("wave",) and (video.action == 0).all()
        assert len(video.action) == len(video.seen.keypoints) and (np.diff(video.seen.time_us) > 0).all()
    assert {video.video.name.split("/")[1].rpartition("-")[0] for video in found.videos} == found.people


def test_too_few_captured_people_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 captured people"):
        captured_clips([captured([("wave", waving(60))], people=["p"])], "wave", people=2, clips=4, seed=1)


def test_pieces_of_videos_are_of_some_people_only_and_end_where_the_piece_ends() -> None:
    videos = [watched_video("le2i", f"{number}", (0, 100, "sit"), person=f"p{number}") for number in range(4)]
    found = video_clips(videos, "sit", clips=2, seed=0)
    assert len(found.people) == 2 and found.people < {"p0", "p1", "p2", "p3"}
    for piece in found.videos:
        assert piece.video.frames <= MOST_SECONDS * FPS and piece.seen.frame.max() < piece.video.frames
        assert len(piece.action) == int(piece.seen.step.sum()) and (piece.action >= 0).any()


def test_videos_of_one_person_leave_no_judge() -> None:
    videos = [watched_video("le2i", f"{number}", (0, 100, "sit"), person="p") for number in range(2)]
    with pytest.raises(ValueError, match="2 are needed"):
        video_clips(videos, "sit", clips=2, seed=0)


def answers(kind: str, *rows: tuple[str, str, str]) -> Answers:
    truth, unit, answer = (np.array(column) for column in zip(*rows, strict=True))
    return Answers(kind, truth, unit, answer)


def test_every_person_counts_alike_and_generated_ones_only_if_there_are_no_others() -> None:
    recorded = answers("captures", *[("clap", "a", "clap")] * 3, ("clap", "b", "wave"))
    made = answers(GENERATED, ("clap", "g", "wave"), ("crawl", "g", "crawl"))
    assert shares([recorded, made], "clap", "clap") == {"captures": 0.5, GENERATED: 0.0}
    assert mean_share([recorded, made], "clap", "clap") == 0.5
    assert mean_share([recorded, made], "crawl", "crawl") == 1.0 and mean_share([recorded], "sit", "sit") is None
    assert recorded.without({"a"}).unit.tolist() == ["b"]
