"""`data check`: each error on disk is found under its code, in its file, and nothing else is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import support.training.kinetics_tps_examples as examples
from run_stream import app
from training.kinetics_tps import AnnotatedFrame, check_dataset, video_file, write_annotations

Breaking = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return examples.put_example(tmp_path / "data")


def a1(root: Path) -> Path:
    return video_file(root, "train", "lunge", "a1")


def frame(root: Path, index: int = 4) -> Path:
    return root / "train_annotations" / "lunge" / "a1" / f"img_{index:05d}.json"


def lines(root: Path, old: str, new: str, file: str = "video_train_flist.csv") -> None:
    path = root / "list" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def cut(path: Path, share: float, *, front: bool = False) -> None:
    content = examples.clip_bytes(front=front) if path.suffix == ".mp4" else path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def rename(path: Path, name: bytes | str) -> None:
    path.rename(path.parent / os.fsdecode(name))


A1, F4 = "train_videos/lunge/a1.mp4", "train_annotations/lunge/a1/img_00004.json"
A1_FRAMES, FLIST = "train_annotations/lunge/a1", "list/video_train_flist.csv"
MISSING_A1 = {("missing-video", FLIST), ("annotations-without-video", A1_FRAMES)}
ON_DISK: list[tuple[str, Breaking, set[tuple[str, str]]]] = [
    ("cut JSON", lambda root: cut(frame(root), 0.5), {("bad-json", F4)}),
    ("a verb unlisted", lambda root: lines(root, "hold\n", "", "part_stat.txt"), {
        ("unknown-verb", f"train_annotations/{video}/img_00006.json") for video in ("lunge/a1", "lunge/a2", "hop/b1")}),
    ("a frame beyond the video", lambda root: frame(root).rename(frame(root, 13)),
        {("frame-beyond-video", f"{A1_FRAMES}/img_00013.json")}),
    ("a video cut off", lambda root: cut(a1(root), 0.8, front=True), {("truncated-video", A1)}),
    ("no such video", lambda root: a1(root).unlink(), MISSING_A1),
    ("annotations of no class", lambda root: rename(root / "train_videos" / "hop", "jump"), {
        ("class-without-videos", "train_annotations/hop"), ("annotations-without-video", "train_annotations/hop/b1"),
        ("video-without-annotations", "train_videos/jump/b1.mp4")}),
    ("no test half", lambda root: (
        shutil.rmtree(root / "test_videos"), (root / "list" / "video_test_flist.csv").unlink()), set()),
    ("a test video of a training video's name", lambda root: (
        examples.put_clip(root / "test_videos" / "x" / "a1.mp4"), lines(root, "t1", "a1,12\nt1", "video_test_flist.csv")
    ), {("duplicate-video", "test_videos/x/a1.mp4")}),
    ("an empty list", lambda root: (root / "list" / "object.txt").write_text("\n"), {("bad-list", "list/object.txt")}),
    ("a row with a word", lambda root: lines(root, "a1,12", "a1,twelve"),
        {("bad-row", FLIST), ("video-without-row", A1)}),
    ("a row of other frames", lambda root: lines(root, "a1,12", "a1,11"), {("frames-differ", A1)}),
]  # fmt: skip


@pytest.mark.parametrize(("breaking", "found"), [case[1:] for case in ON_DISK], ids=[case[0] for case in ON_DISK])
def test_each_error_on_disk_is_found_in_its_file_and_nothing_else(
    root: Path, breaking: Breaking, found: set[tuple[str, str]]
) -> None:
    breaking(root)
    report = check_dataset(root)
    assert {(error.code.value, error.file) for error in report.errors} == found
    assert report.clean == (not found)


def test_two_videos_with_the_same_name_are_both_reported(root: Path) -> None:
    examples.put_clip(video_file(root, "train", "hop", "a1"))
    write_annotations(root, examples.example_video(root, "hop", "a1"))
    errors = [(error.code.value, error.file) for error in check_dataset(root).errors]
    assert errors == [("duplicate-video", "train_videos/hop/a1.mp4"), ("duplicate-video", "train_videos/lunge/a1.mp4")]


def test_valid_content_is_counted_and_undocumented_keys_are_noted(root: Path) -> None:
    content = json.loads(frame(root).read_bytes()) | {"objects": [{"box": [1, 2, 3, 4], "name": "ball"}]}
    frame(root).write_text(json.dumps(content))
    report = check_dataset(root)
    totals = report.totals
    assert (totals.train_videos, totals.test_videos, totals.frames) == (3, 2, 9)
    assert (totals.people, totals.parts, totals.objects) == (9, 18, 1)
    assert report.clean
    (note,) = report.notes
    assert note.startswith("1 frames have an undocumented key, `objects`")


def command(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "150"}).invoke(app, ["data", *arguments])


def test_the_command_counts_errors_lists_files_and_exits_with_1(root: Path) -> None:
    frame(root).write_text('{"humans": [{"box": [9, 9, 1, 1], "[red]": 1}]}')
    a1(root).with_name("[bold]x.mp4").write_bytes(b"junk")
    done = command("check", str(root))
    assert done.exit_code == 1
    assert done.stderr == ""
    for words in ("box-reversed", "a box ends before it begins", F4, "humans[0].box ends before it begins: [9.0"):
        assert words in done.stdout
    assert "train_videos/lunge/[bold]x.mp4" in done.stdout
    assert "undocumented key, `humans[].[red]`" in done.stdout


def test_the_command_lists_the_first_files_or_all_with_all(root: Path) -> None:
    video = examples.example_video(root, "hop", "c1", tuple(range(1, 13)))
    many = AnnotatedFrame(1, (examples.person(hip="fly"),))
    for name in ("c1", "c2", "c3"):
        examples.put_clip(video_file(root, "train", "hop", name))
        frames = tuple(AnnotatedFrame(index, many.people) for index in range(1, 13))
        write_annotations(root, type(video)(name, "hop", video.path, video.facts, frames))
    some, every = command("check", str(root)).stdout, command("check", str(root), "--all").stdout
    assert some.count("unknown-verb  humans[0].parts.hip verb 'fly'") == 20
    assert "… and 19 more files: --all" in some
    assert every.count("unknown-verb  humans[0].parts.hip verb 'fly'") == 36
    assert "more files" not in every


def test_the_command_prints_one_json_object_with_json_and_exits_with_0_without_errors(root: Path) -> None:
    clean = command("check", str(root), "--json")
    assert clean.exit_code == 0
    assert json.loads(clean.stdout) == {
        "root": str(root),
        "clean": True,
        "totals": {"train_videos": 3, "test_videos": 2, "frames": 9, "people": 9, "parts": 18, "objects": 0},
        "counts": {},
        "errors": [],
        "notes": [],
    }
    cut(frame(root), 0.5)
    rename(frame(root, 6), b"\xff.json")
    faulty = command("check", str(root), "--json")
    assert faulty.exit_code == 1
    told = json.loads(faulty.stdout)
    assert told["counts"] == {"bad-frame-name": 1, "bad-json": 1}
    assert [(error["code"], error["file"]) for error in told["errors"]] == [
        ("bad-frame-name", f"{A1_FRAMES}/\\xff.json"), ("bad-json", F4)
    ]  # fmt: skip
    assert all(set(error) == {"code", "file", "message"} for error in told["errors"])
