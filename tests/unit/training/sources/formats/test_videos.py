"""Labelled videos become a source that `read_labels` reads, with the files linked or copied."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from training.sources.formats.body import FormatError
from training.sources.formats.labels import Labels
from training.sources.formats.videos import LabelledVideo, read_action_folders, read_table, write_videos
from training.sources.formats.writing import Tally
from training.sources.segmented_videos import SegmentedVideo, read_labels
from training.sources.terms import DataFolderError
from training.synthetic.videos.video_file import write_video


def film(path: Path, frames: int = 20, rate: float = 10) -> Path:
    pictures = (np.full((32, 48, 3), 10 * number, np.uint8) for number in range(frames))
    write_video(path, pictures, (48, 32), rate, 30)
    return path


def write(
    out: Path, videos: Sequence[LabelledVideo], *pairs: tuple[str, str], in_frames: bool = False, copy: bool = False
) -> tuple[Tally, dict[str, SegmentedVideo]]:
    people = [""] * len(videos)
    tally = write_videos(out, "mine", videos, Labels(pairs), in_frames=in_frames, copy=copy, people=people)
    return tally, {video.name: video for video in read_labels(out / "video" / "mine" / "labels.json")}


def segments(video: SegmentedVideo) -> list[tuple[int, int, str | None]]:
    return [(one.first, one.end, one.label) for one in video.segments]


def test_a_table_in_seconds_becomes_segments_in_frames(tmp_path: Path) -> None:
    film(tmp_path / "in" / "a.mp4")
    film(tmp_path / "in" / "sub" / "b.mp4", rate=5)
    table = tmp_path / "in" / "segments.csv"
    table.write_text(
        "video,start,end,label,person\na.mp4,1.0,1.5,waves,ann\na.mp4,0,0.5,walk,ann\nsub/b.mp4,0.4,9,,\n", "utf-8"
    )
    tally, found = write(tmp_path / "out", read_table(table), ("waves", "wave"))
    assert segments(found["a"]) == [(0, 5, "walk"), (10, 15, "wave")]
    assert segments(found["sub/b"]) == [(2, 20, None)]  # no label; its end is the video's
    assert (found["a"].frames, found["a"].fps, found["a"].size, found["a"].person) == (20, 10, (48, 32), "ann")
    assert (tally.clips, tally.people, tally.frames, tally.seconds) == (2, 1, 40, 6)
    assert tally.actions == {"walk": (1, 0.5), "wave": (1, 0.5)}
    assert found["sub/b"].path.is_symlink() and found["sub/b"].path.resolve() == tmp_path / "in" / "sub" / "b.mp4"


def test_a_table_in_frames_and_copied_videos(tmp_path: Path) -> None:
    source = film(tmp_path / "in" / "a.mp4")
    table = tmp_path / "in" / "segments.csv"
    table.write_text("video,start,end,label,split,text\na.mp4,3,7,walk,test,in the hall\n")
    _, found = write(tmp_path / "out", read_table(table), in_frames=True, copy=True)
    assert segments(found["a"]) == [(3, 7, "walk")] and found["a"].split == "test" and found["a"].text == "in the hall"
    assert not found["a"].path.is_symlink() and found["a"].path.read_bytes() == source.read_bytes()


def test_a_folder_for_each_action_labels_whole_videos(tmp_path: Path) -> None:
    for name in ("wave/1.mp4", "wave/2.mp4", "juggle_knives/1.mp4"):
        film(tmp_path / "clips" / name)
    (tmp_path / "clips" / "wave" / "notes.txt").write_text("none")
    (tmp_path / "clips" / ".hidden").mkdir()
    videos = read_action_folders(tmp_path / "clips")
    tally, found = write(tmp_path / "out", videos, ("juggle_knives", "juggle_knives"))
    assert {name: segments(video) for name, video in found.items()} == {
        "juggle_knives/1": [(0, 20, "juggle_knives")],
        "wave/1": [(0, 20, "wave")],
        "wave/2": [(0, 20, "wave")],
    }
    assert tally.actions == {"juggle_knives": (1, 2.0), "wave": (2, 4.0)}


def test_writing_again_replaces_the_whole_source(tmp_path: Path) -> None:
    film(tmp_path / "clips" / "wave" / "1.mp4")
    write(tmp_path / "out", read_action_folders(tmp_path / "clips"))
    (tmp_path / "clips" / "wave" / "1.mp4").rename(tmp_path / "clips" / "wave" / "2.mp4")
    _, found = write(tmp_path / "out", read_action_folders(tmp_path / "clips"))
    assert list(found) == ["wave/2"]
    assert sorted(path.name for path in (tmp_path / "out" / "video").iterdir()) == ["mine"]


def test_an_unreadable_video_is_named_and_leaves_the_source_as_it_was(tmp_path: Path) -> None:
    film(tmp_path / "clips" / "wave" / "1.mp4")
    write(tmp_path / "out", read_action_folders(tmp_path / "clips"))
    (tmp_path / "clips" / "wave" / "2.mp4").write_bytes(b"no film")
    with pytest.raises(FormatError, match=r"2\.mp4: can't be opened"):
        write(tmp_path / "out", read_action_folders(tmp_path / "clips"))
    assert len(read_labels(tmp_path / "out" / "video" / "mine" / "labels.json")) == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("a.mp4,3,4,walk\n", "within the video, which has 20 frames at 10 a second; are start and end in seconds"),
        ("a.mp4,1,1,walk\n", "must begin before its end"),
        ("a.mp4,-1,1,walk\n", "must begin before its end"),
        ("a.mp4,0,1,walk\na.mp4,0.9,1.5,run\n", "overlaps the segment before it, which ends at frame 10"),
        ("gone.mp4,0,1,walk\n", "is missing"),
    ],
)
def test_segments_that_do_not_fit_the_video_are_refused(tmp_path: Path, rows: str, words: str) -> None:
    film(tmp_path / "a.mp4")
    (tmp_path / "t.csv").write_text("video,start,end,label\n" + rows)
    with pytest.raises(FormatError, match=words):
        write(tmp_path / "out", read_table(tmp_path / "t.csv"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,start,end\na.mp4,0,1\n", "lacks the columns label"),
        ("video,start,end,label\na.mp4,0,1\n", "can't be read"),
        ("video,start,end,label\na.mp4,zero,1,walk\n", "segment 1: .*float"),
        ("video,start,end,label\na.mp4,0,nan,walk\n", "must be numbers"),
        ("video,start,end,label\n", "holds no segment"),
        ("video,start,end,label\na.txt,0,1,walk\n", "not a video file; its name must end with .mp4"),
        ("video,start,end,label\n../x/a.mp4,0,1,w\n/y/a.mp4,0,1,w\n", "two videos would have the name 'a'"),
        ("video,start,end,label,person\na.mp4,0,1,w,ann\na.mp4,1,2,w,bob\n", "the same person and split"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(FormatError, match=words):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("copy", [True, False])
def test_videos_that_the_import_would_remove_are_refused_and_stay(tmp_path: Path, copy: bool) -> None:
    kept = film(tmp_path / "out" / "video" / "mine" / "walk" / "a.mp4")
    before = kept.read_bytes()
    with pytest.raises(DataFolderError, match="move it elsewhere first"):
        write(tmp_path / "out", read_action_folders(kept.parents[1]), copy=copy)
    assert kept.read_bytes() == before and not kept.is_symlink()
