"""Reading videos with labelled segments: what is read, and errors that name file, clip and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.training.data_folders import clip_entry, put_labels
from training.sources.segmented_videos import Segment, SegmentedVideo, read_labels, read_segmented_videos
from training.sources.terms import DataFolderError


def put_file(folder: Path, source: str, name: str) -> Path:
    path = folder / "video" / source / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_videos_of_the_named_sources_are_read_with_all_their_fields(tmp_path: Path) -> None:
    put_labels(
        tmp_path,
        "gym",
        {
            "push_up/leap-1": clip_entry((0, 80, "push_up"), text="two people", person="man1", split="test"),
            "a.b": clip_entry((50, 60, None), (3, 40, "walk"), unknown_field="ignored"),
        },
    )
    put_labels(tmp_path, "other", {"one": clip_entry()})
    nested, plain = put_file(tmp_path, "gym", "push_up/leap-1.MP4"), put_file(tmp_path, "gym", "a.b.mkv")
    assert read_segmented_videos(tmp_path, {"gym", "not there"}) == [
        SegmentedVideo("gym", "a.b", plain, 100, 25.0, (320, 240), (Segment(3, 40, "walk"), Segment(50, 60, None))),
        SegmentedVideo(
            "gym",
            "push_up/leap-1",
            nested,
            100,
            25.0,
            (320, 240),
            (Segment(0, 80, "push_up"),),
            "two people",
            "man1",
            "test",
        ),
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (clip_entry() | {"fps": 0}, "fps"),
        (clip_entry() | {"split": "exam"}, "split"),
        (clip_entry() | {"segments": [[0, 10]]}, "segments"),
        (clip_entry((0, 10, "")), r"segments\[\.\.\.\]\[2\]|segments\[0\]\[2\]"),
        (clip_entry((-1, 10, "walk")), "segments"),
        (clip_entry((10, 10, "walk")), r"segments: \[10, 10, …\] must begin before its end"),
        (clip_entry((10, 101, "walk")), "end by the clip's 100 frames"),
        (clip_entry((30, 60, "walk"), (0, 31, "run")), r"segments: \[30, 60, …\] overlaps"),
        ({"fps": 25.0}, "frames"),
        (3, "object"),
    ],
)
def test_an_error_in_a_clip_names_file_clip_and_field(entry: Any, message: str, tmp_path: Path) -> None:
    path = put_labels(tmp_path, "gym", {"good": clip_entry(), "jump/bad": entry})
    put_file(tmp_path, "gym", "good.mp4")
    put_file(tmp_path, "gym", "jump/bad.mp4")
    with pytest.raises(DataFolderError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)
    assert "jump/bad" in str(caught.value)


def test_a_clip_without_its_video_says_which_file_to_add(tmp_path: Path) -> None:
    path = put_labels(tmp_path, "gym", {"../escape": clip_entry()})
    put_file(tmp_path, "", "escape.mp4")
    with pytest.raises(DataFolderError, match=r"'\.\./escape'.*no video file .*escape\.mp4 .*add it"):
        read_labels(path)
