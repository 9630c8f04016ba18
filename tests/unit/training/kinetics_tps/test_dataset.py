"""Reading for training and testing: what is faulty is left out and counted, and a test video has no class."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections import Counter
from pathlib import Path

import av
import pytest

import support.training.kinetics_tps_examples as examples
from training.benchmark.predict import videos_of_data_set
from training.kinetics_tps import (
    AnnotatedFrame,
    Dataset,
    DatasetError,
    ErrorCode,
    Lists,
    check_dataset,
    video_file,
    write_annotations,
)
from training.kinetics_tps.video_facts import VideoFacts, probe


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return examples.put_example(tmp_path / "data")


def annotation(root: Path, action: str, name: str, index: int) -> Path:
    return root / "train_annotations" / action / name / f"img_{index:05d}.json"


def test_training_videos_are_sorted_by_class_and_name_and_have_their_frames(root: Path) -> None:
    videos = list(Dataset(root).train())
    assert [(video.action, video.name) for video in videos] == [("hop", "b1"), ("lunge", "a1"), ("lunge", "a2")]
    assert videos[1] == examples.example_video(root, "lunge", "a1")
    assert [frame.index for frame in videos[1].frames] == [1, 4, 6]
    assert videos[1].facts == VideoFacts(examples.FRAMES, examples.WIDTH, examples.HEIGHT)


def test_frames_with_errors_are_left_out_and_counted_with_one_warning_per_code(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reversed_box = json.dumps({"humans": [{"number": 1, "box": [9, 9, 1, 1], "parts": {}}]})
    annotation(root, "lunge", "a1", 1).write_text(reversed_box)
    annotation(root, "lunge", "a2", 4).write_text(reversed_box)
    annotation(root, "lunge", "a2", 6).write_bytes(b'{"humans": [')
    dataset = Dataset(root)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):  # a second epoch warns no more, and counts anew
            frames = {video.name: [frame.index for frame in video.frames] for video in dataset.train()}
            assert frames == {"b1": [1, 4, 6], "a1": [4, 6], "a2": [1]}
            assert dataset.skipped == Counter({ErrorCode.BOX_REVERSED: 2, ErrorCode.BAD_JSON: 1})
    first, second = [record.getMessage() for record in caplog.records]
    assert "train_annotations/lunge/a1/img_00001.json: humans[0].box ends before it begins" in first
    assert "train_annotations/lunge/a2/img_00006.json: the file is not JSON of a frame" in second


def break_video(path: Path) -> None:
    path.write_bytes(b"this was a video once")


def cut_video(path: Path) -> None:
    content = examples.clip_bytes(front=True)
    path.write_bytes(content[: len(content) * 2 // 3])


@pytest.mark.parametrize(
    ("breaking", "code"),
    [(break_video, "unreadable-video"), (cut_video, "truncated-video"), (Path.unlink, "annotations-without-video")],
)
def test_a_video_that_cannot_be_used_is_left_out_with_its_frames(root: Path, breaking, code: str) -> None:
    breaking(video_file(root, "train", "lunge", "a1"))
    dataset = Dataset(root)
    assert [video.name for video in dataset.train()] == ["b1", "a2"]
    assert dataset.skipped == {ErrorCode(code): 1}


def test_a_data_set_without_valid_videos_is_rejected_with_the_reasons_and_a_command(root: Path) -> None:
    for video in root.glob("train_videos/*/*.mp4"):
        break_video(video)
    with pytest.raises(DatasetError) as error:
        list(Dataset(root).train())
    assert "no training video can be used; 3 x a video can't be opened or decoded" in str(error.value)
    assert f"partstream data check {root}" in str(error.value)


@pytest.mark.parametrize("missing", ["train_videos", "train_annotations"])
def test_a_missing_folder_is_rejected_before_anything_is_read(root: Path, missing: str) -> None:
    shutil.rmtree(root / missing)
    with pytest.raises(DatasetError, match=f"has no folder {missing}"):
        Dataset(root).train()


def test_missing_lists_are_logged_and_any_label_is_accepted(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(root / "list")
    video = dataclasses.replace(
        examples.example_video(root, "hop", "b1"), frames=(AnnotatedFrame(1, (examples.person(wing="fly"),)),)
    )
    write_annotations(root, video)
    with caplog.at_level(logging.WARNING):
        dataset = Dataset(root)
        assert next(dataset.train()).frames[0] == video.frames[0]
    assert dataset.lists == Lists()
    assert [record.getMessage().split(": ")[1] for record in caplog.records] == [
        "list/body_part.txt", "list/part_stat.txt", "list/object.txt"
    ]  # fmt: skip
    assert not dataset.skipped


def test_an_inner_folder_with_the_videos_name_is_read(root: Path) -> None:
    folder = root / "train_annotations" / "hop" / "b1"
    folder.rename(root / "aside")
    folder.mkdir()
    (root / "aside").rename(folder / "b1")
    assert next(Dataset(root).train()) == examples.example_video(root, "hop", "b1")
    assert check_dataset(root).clean


# -- test videos ------------------------------------------------------------------------------------------------------


def shown_of(root: Path) -> tuple[object, ...]:
    """All that reading and checking tell of the test half, but for where the files lie."""
    found = videos_of_data_set(root)
    videos = [(video.name, video.path.name, video.path.read_bytes()) for video in found.usable]
    report = check_dataset(root)
    return videos, report.totals, report.counts(), report.notes


@pytest.mark.parametrize("folders", [("hop", "lunge"), ("z", "a"), ("x", "x"), ("", "none"), ("", "")])
def test_the_names_of_test_folders_are_ignored(tmp_path: Path, folders: tuple[str, str]) -> None:
    told: list[tuple[object, ...]] = []
    for number, pair in enumerate([("lunge", "hop"), folders]):
        root = examples.put_example(tmp_path / str(number))
        shutil.rmtree(root / "test_videos")
        for folder, name, more in zip(pair, ("t1", "t2"), (b"", b"\0" * 8)):
            examples.put_clip(root / "test_videos" / folder / f"{name}.mp4", examples.clip_bytes() + more)
        told.append(shown_of(root))
    assert told[0] == told[1]


def test_test_videos_with_the_same_name_are_all_left_out(root: Path) -> None:
    examples.put_clip(video_file(root, "test", "hop", "t1"))
    found = videos_of_data_set(root)
    assert [video.name for video in found.usable] == ["t2"] and "t1" in found.unusable


# -- videos -----------------------------------------------------------------------------------------------------------


def test_packets_are_counted_if_the_container_lists_no_frames(tmp_path: Path) -> None:
    path = tmp_path / "v.ts"
    with av.open(str(examples.make_clip(tmp_path / "v.mp4", 9))) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 0
    path.rename(tmp_path / "w.mp4")
    assert probe(tmp_path / "w.mp4") == VideoFacts(9, examples.WIDTH, examples.HEIGHT)
