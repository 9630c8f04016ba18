"""`predict` without weights: finding videos, answers for good and bad ones, and resuming after a stop."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from ring_buffers.frames import Lease
from run_stream import app
from stages import profiles
from stages.types import ActionAnalysis, FrameAnalysis, PartAnalysis, PersonAnalysis
from support.engines.film_models import Scripted, damage, make_film
from training.benchmark.answer_folder import AnswerError, AnswerFolder, MadeWith, VideoAnswer
from training.benchmark.predict import answer_unreadable, answer_video, videos_of_data_set, videos_of_folder
from training.benchmark.predicted_answers import PredictedFrame

ACTIONS = ("run", "walk", "other")
MADE = MadeWith("sha256:" + "a" * 64, 5, None)
ANSWER = VideoAnswer("run", {"img_00001.json": PredictedFrame([])}, [(0.0, None, 0.0), (0.1, "run", 0.5)], None, MADE)


def walks_then_runs(lease: Lease) -> FrameAnalysis:
    """Return no person in the first frame, then one who walks for two frames and runs in the others."""
    label = "walk" if lease.meta.frame < 3 else "run"
    action = ActionAnalysis(label, 1.0, 0, [(label, 1.0)], label, 1.0)
    hip = PartAnalysis("hip", (1, 1, 5, 5), 0.9, 0.5, [])
    here = [PersonAnalysis(1, (0, 0, 9, 9), 0.5, action, [hip])] if lease.meta.frame else []
    return FrameAnalysis(here)


# -- one video -------------------------------------------------------------------------------------------------
def test_frames_1_6_11_are_reported_and_every_frame_has_the_answer_so_far(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    found = answer_video(Scripted(walks_then_runs), film, ACTIONS, MADE)
    assert list(found.frames) == ["img_00001.json", "img_00006.json", "img_00011.json"]
    assert [len(frame.humans) for frame in found.frames.values()] == [0, 1, 1]
    assert [seconds for seconds, _, _ in found.online] == pytest.approx([number / 10 for number in range(11)])
    # Two votes for walk, then votes for run; ties go to the first in the vocabulary.
    assert [label for _, label, _ in found.online] == [None, *["walk"] * 3, *["run"] * 7]
    assert [score for _, _, score in found.online[:6]] == [0.0, 1.0, 1.0, 0.6667, 0.5, 0.6]
    assert (found.action, found.error) == ("run", None)


def test_damage_is_reported_with_the_answer_before_it(tmp_path: Path) -> None:
    found = answer_video(Scripted(walks_then_runs), damage(make_film(tmp_path / "worn.mp4")), ACTIONS, MADE)
    assert found.error is not None and found.error.startswith("can't be read: ")
    assert 0 < len(found.online) < 11 and found.online[-1][1] == found.action


def test_a_file_that_is_not_a_video_has_a_class_and_no_frames(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    found = answer_video(Scripted(), text, ACTIONS, MADE)
    assert (found.action, found.frames, found.online) == ("other", {}, []) and found.error is not None


# -- which videos ------------------------------------------------------------------------------------------------
def test_the_names_of_folders_are_ignored(tmp_path: Path) -> None:
    for root, (one, two) in (("a", ("run", "walk")), ("b", ("walk", "run"))):
        for folder, name in ((one, "first"), (two, "second")):
            path = tmp_path / root / "test_videos" / folder / f"{name}.mp4"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"")
    assert videos_of_data_set(tmp_path / "a").names == videos_of_data_set(tmp_path / "b").names == ["first", "second"]


def test_videos_with_duplicate_names_or_broken_links_are_answered_and_reported(tmp_path: Path) -> None:
    for path in ("x/twice.mp4", "y/twice.mp4", "x/good.mp4", "x/ends in.mp4.mp4", "x/notes.txt"):
        file = tmp_path / "test_videos" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    (tmp_path / "test_videos/x/gone.mp4").symlink_to(tmp_path / "nowhere")
    found = videos_of_data_set(tmp_path)
    assert [video.name for video in found.usable] == ["good"]
    assert set(found.unusable) == {"twice", "gone"} and "2 videos are called 'twice'" in found.unusable["twice"]
    assert found.names == ["gone", "good", "twice"]
    assert len(found.misnamed) == 1 and "ends in.mp4.mp4" in found.misnamed[0]
    assert answer_unreadable(ACTIONS, MADE, found.unusable["gone"]).action == "other"


def test_videos_in_a_folder_are_found_by_their_suffixes(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.webm", "twice.avi", "twice.mkv", "notes.txt", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.mp4").mkdir()
    found = videos_of_folder(tmp_path)
    assert [video.name for video in found.usable] == ["a", "b"] and set(found.unusable) == {"twice"}


# -- the folder --------------------------------------------------------------------------------------------------
def test_answers_are_assembled_into_the_benchmarks_files(tmp_path: Path) -> None:
    folder = AnswerFolder(tmp_path / "out", MADE)
    folder.keep("a", ANSWER)
    folder.keep("b", answer_unreadable(ACTIONS, MADE, "is no video"))
    folder.assemble(["a", "b"])
    read = {name: json.loads((tmp_path / "out" / name).read_text()) for name in
            ("pred_vid_result.json", "pred_part_result.json", "online.json")}  # fmt: skip
    assert read["pred_vid_result.json"] == {"a": "run", "b": "other"}
    assert read["pred_part_result.json"] == {"a": {"img_00001.json": {"humans": []}}, "b": {}}
    assert read["online.json"] == {"a": [[0.0, None, 0.0], [0.1, "run", 0.5]], "b": []}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*read, "videos"])


def test_answered_videos_are_skipped_except_incomplete_ones(tmp_path: Path) -> None:
    folder = AnswerFolder(tmp_path, MADE)
    folder.keep("whole", ANSWER)
    folder.keep("faulty", msgspec.structs.replace(ANSWER, error="was cut off"))
    (tmp_path / "videos" / "half.json").write_bytes(msgspec.json.encode(ANSWER)[:-9])
    assert AnswerFolder(tmp_path, MADE).answered(["whole", "faulty", "half", "new"]) == {"whole"}


@pytest.mark.parametrize("other", [MadeWith("sha256:b", 5, None), MadeWith(MADE.weights, 1, None),
                                   MadeWith(MADE.weights, 5, (256, 256))])  # fmt: skip
def test_answers_of_other_models_or_options_are_rejected(tmp_path: Path, other: MadeWith) -> None:
    AnswerFolder(tmp_path, other).keep("a", msgspec.structs.replace(ANSWER, made_with=other))
    with pytest.raises(AnswerError, match="use another folder, or --force"):
        AnswerFolder(tmp_path, MADE).answered(["a"])


# -- the command -------------------------------------------------------------------------------------------------
def test_ctrl_c_keeps_the_answers_and_the_same_command_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        make_film(tmp_path / "films" / f"{name}.mp4", 6)
    looked_at: list[str] = []

    def stopped_at(camera: str | None) -> Callable[[Lease], FrameAnalysis]:
        def say(lease: Lease) -> FrameAnalysis:
            if lease.meta.camera == camera and lease.meta.frame == 3:
                raise KeyboardInterrupt
            looked_at.append(lease.meta.camera)
            return walks_then_runs(lease)

        return say

    words = ["predict", "--videos", str(tmp_path / "films"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(profiles, "load_model", lambda *choice: Scripted(stopped_at("b.mp4")))
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 130 and "the same command continues" in done.stderr
    assert [path.name for path in (tmp_path / "out").rglob("*.json")] == ["a.json"]
    looked_at.clear()
    monkeypatch.setattr(profiles, "load_model", lambda *choice: Scripted(stopped_at(None)))
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and set(looked_at) == {"b.mp4", "c.mp4"}
    assert json.loads((tmp_path / "out" / "pred_vid_result.json").read_text()) == dict.fromkeys("abc", "run")
    monkeypatch.setattr(profiles, "load_model", lambda *choice: pytest.fail("nothing is left to do"))
    assert "3 of them in an earlier run" in CliRunner().invoke(app, words).stdout
    looked_at.clear()
    monkeypatch.setattr(profiles, "load_model", lambda *choice: Scripted(stopped_at(None)))
    assert CliRunner().invoke(app, [*words, "--force"]).exit_code == 0 and len(set(looked_at)) == 3
