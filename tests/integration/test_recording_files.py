"""Clip files of every codec have the source's pictures and times, with any container and order of pictures."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import av
import pytest

from stream.recording.clip_file import ClipError, ClipFile
from stream.recording.packets import HeldUnit
from stream.sources.transport import CodecParameters
from support.engines.played_files import played
from support.engines.recording_engine import pictures
from support.engines.small_clips import REORDERED_H264, make_clip

X265 = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=20:bframes=3"}


def write(path: Path, units: list[HeldUnit], reorder: int) -> ClipFile:
    clip = ClipFile(path, units[0], reorder)
    for unit in units:
        assert clip.fits(unit)
        clip.write(unit)
    clip.close()
    return clip


@pytest.mark.parametrize(
    ("name", "coding", "settings"),
    [
        ("plain.mp4", "h264", {}),
        ("reordered.mp4", "h264", {"options": REORDERED_H264}),
        ("reordered.ts", "h264", {"options": REORDERED_H264}),
        ("reordered.mkv", "hevc", {"codec": "libx265", "options": X265}),
        ("reordered_hevc.ts", "hevc", {"codec": "libx265", "options": X265}),
        ("pictures.mkv", "mjpeg", {"codec": "mjpeg", "pixels": "yuvj420p"}),
        ("old.avi", "mpeg4", {"codec": "mpeg4", "options": {"g": "10"}}),
    ],
)
def test_codecs_that_mp4_supports_are_copied(tmp_path: Path, name: str, coding: str, settings: dict[str, Any]) -> None:
    source = make_clip(tmp_path / name, frames=60, **settings)
    ring, times_us = played(source)
    first = ring.start_for(1, 1_000_000)
    assert first is not None
    clip = write(tmp_path / "out.mp4", ring.settled_from(first.serial), ring.reorder)
    shown = pictures(tmp_path / "out.mp4")
    assert (clip.coding, clip.reencoded, clip.frames) == (coding, False, len(shown))
    expected = [at_us for at_us in times_us if at_us >= first.media_us]
    assert [at_us for at_us, _ in shown] == [at_us - first.media_us for at_us in expected]
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.duration == pytest.approx(shown[-1][0] + 40_000, abs=1_000)
    assert [digest for _, digest in shown] == [digest for _, digest in pictures(source)][-len(expected) :]


def test_other_codecs_are_encoded_again(tmp_path: Path) -> None:
    codec = {"codec": "libvpx", "options": {"g": "10", "deadline": "realtime"}}
    ring, times_us = played(make_clip(tmp_path / "web.webm", frames=40, **codec))
    clip = write(tmp_path / "out.mp4", ring.settled_from(0), ring.reorder)
    shown = pictures(tmp_path / "out.mp4")
    assert (clip.coding, clip.reencoded, clip.frames) == ("h264", True, 40)
    assert [at_us for at_us, _ in shown] == pytest.approx([at_us - times_us[0] for at_us in times_us], abs=20)


@pytest.mark.parametrize(
    ("name", "coding", "settings"),
    [
        ("plain.ts", "h264", {}),
        ("hevc.ts", "hevc", {"codec": "libx265", "options": X265}),
        ("web.webm", "h264", {"codec": "libvpx", "options": {"g": "10", "deadline": "realtime"}}),
    ],
)
def test_a_size_known_only_from_keyframes_is_read_from_them(
    tmp_path: Path, name: str, coding: str, settings: dict[str, Any]
) -> None:
    ring, _ = played(make_clip(tmp_path / name, frames=30, **settings))
    units = ring.settled_from(0)
    untold = CodecParameters(units[0].codec.name, b"", (0, 0), None)
    for unit in units:
        unit.codec = untold
    clip = write(tmp_path / "out.mp4", units, ring.reorder)
    assert (clip.coding, clip.frames) == (coding, 30)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in shown] == [(320, 180)] * 30


def test_a_change_of_size_does_not_fit_into_the_same_file(tmp_path: Path) -> None:
    large, _ = played(make_clip(tmp_path / "large.ts", frames=30))
    small, _ = played(make_clip(tmp_path / "small.ts", frames=30, size=(160, 90)))
    units = large.settled_from(0)
    clip = ClipFile(tmp_path / "out.mp4", units[0], 0)
    clip.write(units[0])
    other = small.settled_from(0)[0]
    other.codec = units[0].codec  # as from a camera that changes its size: only its parameter sets show it
    assert clip.fits(units[25]) and units[25].is_key
    assert not clip.fits(other)
    clip.abandon()


def test_an_invalid_stream_is_an_error_with_its_reason(tmp_path: Path) -> None:
    ring, _ = played(make_clip(tmp_path / "clip.mp4", frames=5))
    (first, *_) = ring.settled_from(0)
    first.codec = CodecParameters("h264", b"\x01cut off", (320, 180), "yuv420p")
    with pytest.raises(ClipError, match="truncated"):
        ClipFile(tmp_path / "out.mp4", first, 0)
    first.codec = CodecParameters("no_such_coding", b"", (320, 180), None)
    with pytest.raises(ClipError, match="no_such_coding cannot be written as MP4"):
        ClipFile(tmp_path / "out.mp4", first, 0)


def test_a_full_disk_is_one_error_and_leaves_nothing_in_the_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ring, _ = played(make_clip(tmp_path / "clip.mp4", frames=200))
    units = ring.settled_from(0)
    write(tmp_path / "whole.mp4", units, 0)
    size = (tmp_path / "whole.mp4").stat().st_size
    for room in range(1, size, size // 20):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        clip = None
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
            with pytest.raises(OSError, match="File too large"):
                clip = ClipFile(tmp_path / "out.mp4", units[0], 0)
                for unit in units:
                    clip.write(unit)
                clip.close()
            if clip is not None:
                clip.abandon()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert capfd.readouterr().err == ""
