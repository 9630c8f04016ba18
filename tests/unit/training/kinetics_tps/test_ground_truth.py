"""What annotations become: the metric's ground truth, and the engine's vocabulary."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import support.training.kinetics_tps_examples as examples
from run_stream import app
from stages.vocabulary import PARTS
from training.benchmark.psc import evaluate
from training.benchmark.submission import parse_prediction, read_ground_truth
from training.kinetics_tps import AnnotatedFrame, Dataset, DatasetError, Lists, Seen, Video, write_ground_truth


def result(folder: Path, kind: str) -> dict[str, object]:
    return json.loads((folder / f"gt_{kind}_result.json").read_text())


def video(name: str, action: str, *frames: AnnotatedFrame) -> Video:
    return dataclasses.replace(examples.example_video(Path(), action, name), frames=frames)


def test_the_ground_truth_has_each_videos_class_and_annotated_frames(tmp_path: Path) -> None:
    root = examples.put_example(tmp_path / "data")
    assert write_ground_truth(tmp_path / "gt", Dataset(root).train()) == 3
    assert result(tmp_path / "gt", "vid") == {"b1": "hop", "a1": "lunge", "a2": "lunge"}
    parts = result(tmp_path / "gt", "part")
    assert list(parts) == ["b1", "a1", "a2"]
    for (action, name), frames in zip([("hop", "b1"), ("lunge", "a1"), ("lunge", "a2")], parts.values()):
        folder = root / "train_annotations" / action / name
        assert frames == {path.name: json.loads(path.read_bytes()) for path in sorted(folder.iterdir())}


def test_the_metric_gives_the_ground_truth_itself_full_marks(tmp_path: Path) -> None:
    root = examples.put_example(tmp_path / "data")
    write_ground_truth(tmp_path, Dataset(root).train())
    truth = read_ground_truth(tmp_path)
    proposals = result(tmp_path, "part")
    for frames in proposals.values():
        for frame in frames.values():  # pyright: ignore[reportAttributeAccessIssue]
            for human in frame["humans"]:
                for part in human["parts"].values():
                    part["box"], part["verb"] = [part["box"]], [part["verb"]]
    actions = (tmp_path / "gt_vid_result.json").read_bytes()
    score = evaluate(truth, parse_prediction(actions, json.dumps(proposals).encode(), truth))
    assert score.psc.tolist() == [1.0, 1.0, 1.0]
    assert score.area == pytest.approx(0.9999)


def test_only_scored_frames_are_kept_and_videos_without_any_are_left_out(tmp_path: Path) -> None:
    somebody = (examples.person(head="none"),)
    videos = [
        video("a", "hop", *(AnnotatedFrame(index, somebody) for index in (11, 2, 6, 1))),
        video("b", "hop", AnnotatedFrame(2, somebody)),
    ]
    assert write_ground_truth(tmp_path, videos, every=5) == 1
    assert result(tmp_path, "vid") == {"a": "hop"}
    frames = result(tmp_path, "part")["a"]
    assert list(frames) == ["img_00001.json", "img_00006.json", "img_00011.json"]  # pyright: ignore[reportArgumentType]


def test_an_empty_ground_truth_or_a_duplicate_name_is_rejected_and_nothing_written(tmp_path: Path) -> None:
    one = video("a", "hop", AnnotatedFrame(2, ()))
    with pytest.raises(DatasetError, match="two videos are called 'a'"):
        write_ground_truth(tmp_path, [one, one])
    with pytest.raises(DatasetError, match="no video has an annotated frame among 1, 6, 11"):
        write_ground_truth(tmp_path, [one], every=5)
    assert list(tmp_path.iterdir()) == []


def command(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "250"}).invoke(app, ["data", *arguments])


def test_the_command_writes_both_files_and_counts_the_errors_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = examples.put_example(tmp_path / "data")
    (root / "train_annotations" / "hop" / "b1" / "img_00004.json").write_text("{")
    done = command("ground-truth", str(root), str(tmp_path / "out"), "--every", "5")
    assert done.exit_code == 0, done.output
    assert "wrote the ground truth of 3 videos" in done.stdout
    assert "1 errors skipped, `data check` lists them" in done.stdout
    assert "img_00004.json: the file is not JSON of a frame" in caplog.text
    assert list(result(tmp_path / "out", "part")["b1"]) == ["img_00001.json", "img_00006.json"]  # pyright: ignore[reportArgumentType]


# -- vocabulary -------------------------------------------------------------------------------------------------------
def seen(*people: dict[str, str], action: str = "hop") -> Seen:
    frames = [AnnotatedFrame(index, (examples.person(1, **verbs),)) for index, verbs in enumerate(people, 1)]
    return Seen([video("v", action, *frames)])


def test_a_part_has_the_states_that_were_seen_and_none() -> None:
    counts = seen({"left_hand": "hold", "head": "none"}, {"left_hand": "bend", "hip": "step"})
    vocabulary = counts.vocabulary(examples.LISTS)
    assert vocabulary.parts == PARTS
    assert vocabulary.states_of["left_hand"] == ("none", "bend", "hold")
    assert vocabulary.states_of["hip"] == ("none", "step")
    assert vocabulary.states_of["head"] == vocabulary.states_of["right_foot"] == ("none",)
    assert vocabulary.actions == ("hop",)
    assert vocabulary.mask().sum() == 13


def test_states_are_in_the_lists_order_without_unseen_ones() -> None:
    lists = Lists(PARTS, ("step", "none", "fly", "bend"), ())
    vocabulary = seen({"hip": "bend", "head": "step"}).vocabulary(lists)
    assert vocabulary.state_labels == ("step", "none", "bend")


def test_others_is_an_ignored_target_and_no_state() -> None:
    vocabulary = seen({"hip": "others", "head": "others ball"}).vocabulary(examples.LISTS)
    assert vocabulary.state_labels == ("none",)
    assert vocabulary.ignored_verbs == ("others",)


def test_without_lists_the_vocabulary_holds_what_was_seen() -> None:
    vocabulary = seen({"wing": "fly high", "head": "turn"}).vocabulary(Lists())
    assert vocabulary.parts == ("head", "wing")
    assert vocabulary.state_labels == ("fly high", "none", "turn")
    assert [(state.verb, state.object) for state in vocabulary.states] == [
        ("fly", "high"), ("none", None), ("turn", None)
    ]  # fmt: skip


def test_the_parts_are_those_listed_in_the_part_graphs_order_then_others() -> None:
    lists = Lists(("tail", "right_foot", "head", "wing"), ("none",), ())
    assert seen({"head": "none"}).vocabulary(lists).parts == ("head", "right_foot", "tail", "wing")
