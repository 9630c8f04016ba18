"""The directory of clips: names, budget, leftovers, and a disk that is full or cannot be written."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections import namedtuple
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stream.recording.clips import NAME, Clip, clip_name
from stream.recording.disk_condition import NoRoomError, reason_of
from stream.recording.library import ENDINGS, ClipLibrary

AT_US = 1_795_641_282_795_956
DiskUsage = namedtuple("DiskUsage", "total used free")


def a_clip(name: str, camera: str = "door") -> Clip:
    return Clip(
        name=name,
        run="0" * 32,
        camera=camera,
        epoch=1,
        events=[],
        start_us=AT_US,
        end_us=AT_US,
        start_media_time_us=0,
        end_media_time_us=0,
        codec="h264",
        reencoded=False,
        frames=1,
        results=0,
        ended="complete",
        video_bytes=0,
        written_us=AT_US,
    )


LATEST: dict[Path, ClipLibrary] = {}


def library(folder: Path, budget: int = 1 << 30, least_free: int = 0) -> ClipLibrary:
    """Open the library of an engine, after the end of the one before."""
    if folder in LATEST:
        LATEST[folder].close()
    made = LATEST[folder] = ClipLibrary(folder, budget, least_free)
    made.open()
    return made


def write(to: ClipLibrary, second: int, size: int = 1000) -> str:
    name = to.begin(AT_US + second * 1_000_000, "door", "fall")
    to.part(name, ".mp4").write_bytes(bytes(size))
    to.part(name, ".jsonl").write_bytes(b"")
    to.keep(a_clip(name))
    return name


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_a_clip_name_has_time_camera_and_action() -> None:
    assert clip_name(AT_US, "front_door-2", "fall") == "20261125T211442795Z_front_door-2_fall"
    assert clip_name(AT_US, "cam", "open (a door)/..", 3) == "20261125T211442795Z_cam_open-a-door-3"


@given(st.text(max_size=80), st.integers(0, 4_000_000_000_000_000), st.integers(1, 99))
def test_no_action_s_name_leads_out_of_the_directory(action: str, capture_us: int, number: int) -> None:
    name = clip_name(capture_us, "cam0", action, number)
    assert NAME.fullmatch(name)
    assert Path(name).name == name and "." not in name


def test_a_clip_is_listed_once_it_is_complete_and_after_a_restart(tmp_path: Path) -> None:
    first = library(tmp_path / "new" / "clips")
    name = first.begin(AT_US, "door", "fall")
    assert first.clips() == []
    first.part(name, ".mp4").write_bytes(bytes(500))
    first.part(name, ".jsonl").write_bytes(b"{}\n")
    first.keep(a_clip(name))
    again = library(first.directory)
    for one in (first, again):
        assert [clip.name for clip in one.clips()] == [name]
        assert one.clip(name) == a_clip(name)
        assert one.bytes_kept == on_disk(first.directory)
    assert again.begin(AT_US, "door", "fall") == name + "-2"


def test_the_oldest_clips_go_first_and_the_budget_holds_at_every_moment(tmp_path: Path) -> None:
    clips = library(tmp_path, budget=5000)
    names = [write(clips, second) for second in range(8)]
    assert [clip.name for clip in clips.clips()] == [names[7], names[6], names[5]]
    assert clips.bytes_kept == on_disk(tmp_path) <= 5000
    assert clips.update_size("being-written", 4000)
    assert [clip.name for clip in clips.clips()] == []
    assert not clips.update_size("being-written", 5001)
    assert on_disk(tmp_path) == 0


YEAR = 365 * 86_400


def test_clips_named_by_a_clock_that_was_a_year_ahead_go_before_those_written_later(tmp_path: Path) -> None:
    clips = library(tmp_path, budget=5000)
    ahead = [write(clips, YEAR + second, size=1200) for second in range(3)]
    right = [write(clips, second, size=1200) for second in range(3)]
    assert [clip.name for clip in clips.clips()] == right[::-1]
    assert not any((tmp_path / f"{name}.mp4").exists() for name in ahead)


def test_clips_of_an_earlier_run_go_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    clips = library(tmp_path)
    ahead, first, second = (write(clips, at) for at in (YEAR, 2, 1))
    clips.close()
    now_us = time.time_ns() // 1000
    for name, written_us in ((ahead, now_us + 10**12), (first, now_us - 20), (second, now_us - 10)):
        metadata = tmp_path / f"{name}.json"
        metadata.write_bytes(msgspec.json.encode(replace(a_clip(name), written_us=written_us)))
    clips = library(tmp_path)
    for left in ([second, first], [second]):
        clips.budget = clips.bytes_kept - 1
        clips.open()
        assert {clip.name for clip in clips.clips()} == set(left)


def test_a_clip_is_kept_also_if_an_older_one_cannot_be_removed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = library(tmp_path, budget=2500)
    write(clips, 0)

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refused)
    name = write(clips, 1)
    assert clips.condition.state == "unwritable"
    assert clips.clips()[0].name == name
    assert clips.bytes_kept == on_disk(tmp_path)


def test_existing_clips_count_at_the_start(tmp_path: Path) -> None:
    for second in range(4):
        write(library(tmp_path), second)
    assert len(library(tmp_path, budget=on_disk(tmp_path) // 2)) == 2


def test_other_files_are_neither_counted_nor_removed(tmp_path: Path) -> None:
    others = ["holiday.mp4", "notes.json.part", "20261125T211442795Z_door_fall.txt", "x20261125T211442795Z_a_b.mp4"]
    for name in others:
        (tmp_path / name).write_bytes(bytes(9000))
    (tmp_path / "20261125T211442795Z_door_walk.mp4").symlink_to(tmp_path / "holiday.mp4")
    clips = library(tmp_path, budget=2000)
    assert (len(clips), clips.bytes_kept) == (0, 0)
    write(clips, 1)
    write(clips, 2)
    assert len(clips) == 1
    assert all((tmp_path / name).stat().st_size == 9000 for name in others)


def test_files_left_by_a_crash_are_removed_and_incomplete_clips_count_until_then(tmp_path: Path) -> None:
    name = clip_name(AT_US, "door", "fall")
    for ending in ENDINGS:
        (tmp_path / f"{name}{ending}.part").write_bytes(b"x")
    half = clip_name(AT_US - 1_000_000, "door", "fall")
    (tmp_path / f"{half}.mp4").write_bytes(bytes(700))
    (tmp_path / f"{half}.json").write_text('{"schema": "partstream.clip/1", "name": ')
    clips = library(tmp_path, budget=2000)
    assert not list(tmp_path.glob("*.part"))
    assert clips.clips() == [] and clips.clip(half) is None
    assert clips.bytes_kept > 700
    write(clips, 1)
    assert not (tmp_path / f"{half}.mp4").exists()


def begun(clips: ClipLibrary) -> str:
    """Begin a clip, with empty files, and return its name."""
    name = clips.begin(AT_US, "door", "fall")
    for ending in (".mp4", ".jsonl"):
        clips.part(name, ending).write_bytes(b"")
    return name


def test_with_too_little_space_no_clip_is_begun_and_it_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = 100
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10_000, 0, free))
    clips = library(tmp_path, least_free=5000)
    assert clips.condition.state == "low_disk"
    for _ in range(3):
        with pytest.raises(NoRoomError) as error:
            clips.begin(AT_US, "door", "fall")
        assert reason_of(error.value) == "low_disk"
    assert caplog.text.count("recording.least_free") == 1
    free = 6000
    assert clips.condition.has_room()
    assert clips.condition.state == "ready"


def test_a_clip_that_is_kept_on_a_nearly_full_disk_does_not_say_that_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    free = 6000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10_000, 0, free))
    clips = library(tmp_path, least_free=5000)
    name = begun(clips)
    free = 100
    assert not clips.condition.has_room()
    clips.keep(a_clip(name))
    assert clips.condition.state == "low_disk"
    assert not clips.condition.has_room()
    assert caplog.text.count("recording.least_free") == 1


def test_a_clip_that_is_kept_after_an_error_does_not_hide_a_nearly_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 6000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DiskUsage(10_000, 0, free))
    clips = library(tmp_path, least_free=5000)
    name = begun(clips)
    clips.condition.failed(OSError(errno.EIO, "I/O error"))
    free = 100
    clips.keep(a_clip(name))
    assert clips.condition.state == "low_disk"


def test_an_unwritable_directory_is_reported_and_retried(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "clips").write_text("a file stands where the directory should be")
    clips = library(tmp_path / "clips")
    assert clips.condition.state == "unwritable"
    assert "cannot be written" in caplog.text
    with pytest.raises(OSError) as error:
        clips.begin(AT_US, "door", "fall")
    assert reason_of(error.value) == "unwritable"
    (tmp_path / "clips").unlink()
    write(clips, 1)
    assert clips.condition.state == "ready"


def test_a_full_disk_has_its_own_reason() -> None:
    assert reason_of(OSError(errno.ENOSPC, "No space left on device")) == "disk_full"
    assert reason_of(OSError(errno.EROFS, "Read-only file system")) == "unwritable"


def test_a_second_engine_touches_nothing_and_takes_over_when_the_first_has_gone(tmp_path: Path) -> None:
    first = library(tmp_path, budget=5000)
    write(first, 0, 3000)
    growing = first.begin(AT_US + 1, "door", "fall")
    first.part(growing, ".mp4").write_bytes(b"half")
    second = ClipLibrary(tmp_path, 1, 0)
    second.open()
    assert second.in_use == f"process {os.getpid()}" and second.condition.state == "unwritable"
    with pytest.raises(OSError, match="in use by process"):
        second.begin(AT_US, "gate", "fall")
    assert first.part(growing, ".mp4").exists() and len(first.clips()) == 1 and len(second) == 0
    first.close()
    second.begin(AT_US, "gate", "fall")
    assert second.in_use == ""
