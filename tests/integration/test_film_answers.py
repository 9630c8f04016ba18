"""Scores of the real model on a data folder: the cached way to answers equals the pipeline's, and the command."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from commands.ending import plain_console
from run_stream import app
from stages.profiles import load_checkpoint, load_model
from stages.third_party import weights
from stream.cameras.camera import ActionEvents
from support.training.data_folders import clip_entry, put_clips, put_labels
from support.training.planar_people import person, pose_clips
from training.scoring.film_sets import answered_film, watch_settings
from training.scoring.films import SeenPerson, action_events, seen_people
from training.sources.motion_clips import POSES
from training.sources.watched_videos import watch_data_folder
from training.video.analysis import analyse_video

FRAMES, PER_SECOND, SIZE = 60, 20, (512, 384)
"""More steps than a window has, so that states are reset, and frames between them that are not looked at."""
TIES = 2e-3
"""RoI features are cached as float16, so that scores differ by less than this."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder with 3 s of people on a street."""
    folder = tmp_path_factory.mktemp("data")
    segments = [(0, 20, "walk"), (20, 25, None), (25, 40, "fall"), (40, FRAMES, "walk")]
    entry = clip_entry(*segments, frames=FRAMES, fps=PER_SECOND, size=SIZE, split="test", text="people on a street")
    path = put_labels(folder, "street", {"day/one": entry}).parent / "day" / "one.mp4"
    path.parent.mkdir()
    with av.open(str(weights.locate("vtest", "vtest.avi"))) as source, av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video=0), FRAMES)):
            picture = frame.reformat(*SIZE, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, PER_SECOND)
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_cached_answers_and_events_equal_the_pipelines_in_every_frame(data: Path, cache: Path) -> None:
    checkpoint = load_checkpoint("edge")
    [watched] = watch_data_folder(data, ["street"], settings=watch_settings(checkpoint), cache=cache)
    film = answered_film(checkpoint, watched)
    engine, events, people = ActionEvents(), list[tuple[int, str, int]](), 0
    analysed = list(analyse_video(load_model("edge", "cpu", threads=1), watched.video.path))
    for meta, analysis in analysed:
        expected, found = seen_people(analysis), film.answers.get(meta.frame, ())
        assert [one.track for one in found] == [one.track for one in expected]
        for mine, theirs in zip(found, expected, strict=True):
            people += 1
            _equal(mine, theirs)
        events += [
            (one.track, one.label, one.frame)
            for one in engine.update(meta, analysis)
            if one.kind in ("started", "changed")
        ]
    assert len(analysed) == FRAMES and people > 2 * FRAMES
    looks = [analysis.look for _, analysis in analysed]
    assert any(look.regions for look in looks) and any(not look.anything for look in looks)
    assert [(one.track, one.label, one.begin) for one in action_events(film)] == sorted(
        events, key=lambda event: (event[2], event[0])
    )
    assert events and len({one.label for found in film.answers.values() for one in found}) > 1


def _equal(mine: SeenPerson, theirs: SeenPerson) -> None:
    assert (mine.label, mine.smoothed) == (theirs.label, theirs.smoothed)
    assert mine.box == pytest.approx(theirs.box, abs=0.01)
    assert mine.score == pytest.approx(theirs.score, abs=TIES)
    assert mine.smoothed_score == pytest.approx(theirs.smoothed_score, abs=TIES)


@pytest.fixture(autouse=True)
def wide_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print tables in full: a console keeps the width of the environment in which it was created."""
    monkeypatch.setattr(plain_console, "_width", 400)


def test_the_command_scores_a_data_folder(
    data: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.sources.watched_videos.watched_cache", lambda: cache)
    out = tmp_path / "score.json"
    arguments = ["footage", "score", "--data", str(data), "--set", "street", "--workers", "1", "--device", "cpu"]
    arguments += ["--json", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    for words in ("street: 1 video", "macro, all frames", "score at least", "falls found"):
        assert words in done.output
    content = json.loads(out.read_text())
    assert content["profile"] == "edge" and content["weights"].startswith("sha256:")
    score = content["films"]["street"]
    assert {truth: one["frames"] for truth, one in score["actions"].items()} == {"fall": 15, "walk": 40}
    assert score["actions"]["walk"]["right"] > 0
    assert score["confusion"]["walk"]["walk"] == score["actions"]["walk"]["right"]
    # The video shows no fall, but the model may report one.
    assert score["falls"]["labelled"] == 1 and f"{score['falls']['found']} of 1" in done.output
    assert [one["label"] for one in score["occurrences"]["each"]] == ["walk", "fall", "walk"]


def test_the_command_scores_sequences(tmp_path: Path) -> None:
    keypoints = [person(40), person(40, hands_up=True)]
    put_clips(tmp_path, POSES, pose_clips(keypoints, ["stand", "wave"], source="jhmdb", text=["split1/test"] * 2))
    out = tmp_path / "score.json"
    arguments = ["footage", "score", "--data", str(tmp_path), "--set", "jhmdb", "--device", "cpu", "--json", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    for words in ("jhmdb: 32 sequences", "last step", "every step", "all actions"):
        assert words in done.output
    content = json.loads(out.read_text())
    assert content["films"] == {}
    assert content["sequences"]["jhmdb"]["sequences"] == 32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "urfd"], "has nothing for urfd; sets are coffee-room"),
        ([], "has nothing for coffee-room, gestures-learn, captures-validation, jhmdb-validation"),
        (["--set", "street", "--clip", "vtest"], "--half and --clip are for the packaged clips"),
        (["--set", "street", "--profile", "kinetics-tps"], "this checkpoint has its own detector or region extractor"),
    ],
)
def test_what_cannot_be_scored_is_named_with_advice(data: Path, arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["footage", "score", "--data", str(data), *arguments])
    assert done.exit_code == 2
    assert words in done.output
