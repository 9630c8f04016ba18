"""Sources without a network: files of all kinds, devices and the test pattern, with FFmpeg and real threads."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from pathlib import Path

import av
import pytest

from support.engines.small_clips import REORDERED_H264, make_clip, make_sound
from support.engines.watched_camera import WatchedCamera
from support.waiting import wait_until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    return make_clip(folder / "clip.mp4", frames=50)


def test_a_file_read_fast_gives_every_frame_once_in_order(clip: Path) -> None:
    with WatchedCamera(clip, pace="fast", slots=2) as camera:
        camera.wait_until_ended()
        metas = camera.of_epoch(1)
        assert camera.numbers(1) == list(range(50))
        assert [meta.frame for meta in metas] == list(range(50))
        assert [meta.media_us for meta in metas] == [number * 40_000 for number in range(50)]
        assert {meta.clock for meta in metas} == {"media"}
        assert metas[-1].capture_us - metas[0].capture_us == 49 * 40_000
        assert camera.ring.counts().dropped == {}
        assert [status.state for status in camera.statuses] == ["connecting", "live", "ended"]
        assert camera.statuses[-1].reason is None


def test_no_frame_of_a_file_read_live_arrives_before_its_time(folder: Path) -> None:
    clip = make_clip(folder / "second.mp4", frames=25)
    began_ns = time.monotonic_ns()
    with WatchedCamera(clip) as camera:
        camera.wait_until_ended()
        ended_ns = time.monotonic_ns()
    assert camera.numbers(1) == list(range(25))
    arrivals = [meta.arrival_ns - began_ns for meta in camera.of_epoch(1)]
    assert [arrival // 40_000_000 >= number for number, arrival in enumerate(arrivals)] == [True] * 25
    assert ended_ns - began_ns >= 1_000_000_000


def test_a_looped_file_restarts_in_a_new_epoch_without_a_gap(folder: Path) -> None:
    with WatchedCamera(make_clip(folder / "short.mp4", frames=10), pace="loop") as camera:
        wait_until(lambda: camera.epochs == [1, 2, 3, 4])
        for epoch in (1, 2, 3):
            assert camera.numbers(epoch) == list(range(10))
            assert camera.of_epoch(epoch)[0].media_us == 0
        assert camera.reconnects == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reordered.mp4", {"options": REORDERED_H264}),
        ("reordered.ts", {"options": REORDERED_H264}),
        ("packed.avi", {"codec": "mpeg4", "options": {"bf": "2", "q": "2"}}),
        ("plain.avi", {"codec": "mpeg4", "options": {"q": "2"}}),
        ("bare.h264", {}),
        ("motion.mkv", {"codec": "mjpeg", "pixels": "yuvj420p"}),
        ("full_colour.mkv", {"codec": "ffv1", "pixels": "yuv444p"}),
        ("hevc.mkv", {"codec": "libx265", "options": {"preset": "ultrafast", "x265-params": "log-level=none"}}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    ],
)
def test_files_of_every_usual_kind_give_their_frames_in_order(folder: Path, name: str, options: dict) -> None:
    made = make_clip(folder / name, frames=30, **options)
    with WatchedCamera(made, pace="fast") as camera:
        camera.wait_until_ended()
        media = [meta.media_us for meta in camera.of_epoch(1)]
        assert camera.numbers(1) == list(range(30))
        assert media[0] == 0
        assert media == pytest.approx([number * 40_000 for number in range(30)], abs=1_000)
        assert camera.epochs == [1]


def test_a_truncated_file_gives_the_frames_that_it_has(folder: Path) -> None:
    whole = make_clip(folder / "whole.ts", frames=50).read_bytes()
    cut = folder / "cut.ts"
    cut.write_bytes(whole[: len(whole) * 3 // 5])
    with WatchedCamera(cut, pace="fast") as camera:
        camera.wait_until_ended()
        numbers = camera.numbers(1)
        assert 20 <= len(numbers) < 50
        assert numbers[:-1] == list(range(len(numbers) - 1))


def test_a_file_with_damage_in_the_middle_continues_after_it(folder: Path) -> None:
    damaged = bytearray(make_clip(folder / "sound.ts", frames=100).read_bytes())
    middle = len(damaged) // 2
    damaged[middle : middle + 4000] = bytes(4000)
    path = folder / "damaged.ts"
    path.write_bytes(damaged)
    with WatchedCamera(path, pace="fast") as camera:
        camera.wait_until_ended()
        numbers = [taken.number for taken in camera.frames if taken.number >= 0]
        assert set(range(25)) <= set(numbers)
        assert set(range(80, 100)) <= set(numbers)
        assert numbers == sorted(numbers)
        assert camera.statuses[-1].reason is None


def test_a_frame_rate_limit_drops_the_rest_and_counts_it(clip: Path) -> None:
    with WatchedCamera(clip, pace="fast", max_fps=5) as camera:
        camera.wait_until_ended()
        assert camera.numbers(1) == list(range(0, 50, 5))
        assert [meta.frame for meta in camera.of_epoch(1)] == list(range(0, 50, 5))
        counts = camera.ring.counts()
        assert (counts.decoded, counts.processed, counts.dropped) == (50, 10, {"rate_limited": 40})


# -- errors ---------------------------------------------------------------------------------------------------------


def ends_with(source: str | Path) -> tuple[str | None, str]:
    """Return the reason and message with which a source ends that was never live."""
    with WatchedCamera(source) as camera:
        camera.wait_until_ended()
        assert not camera.reader.ever_live
        assert camera.reconnects == []
        return camera.statuses[-1].reason, camera.statuses[-1].message


def test_a_missing_file_ends_the_camera_with_its_reason(folder: Path) -> None:
    reason, message = ends_with(folder / "nowhere.mp4")
    assert reason == "no_such_file"
    assert "nowhere.mp4" in message
    assert "camera cam" in message


def test_a_folder_is_unreadable(folder: Path) -> None:
    assert ends_with(folder)[0] == "unreadable"


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4"])
def test_text_is_not_a_video_whatever_its_name(folder: Path, name: str) -> None:
    (folder / name).write_text("Not a video, but FFmpeg would play a .txt file as one.\n" * 50)
    assert ends_with(folder / name)[0] == "not_a_video"


def test_a_list_of_files_is_not_a_video(folder: Path, clip: Path) -> None:
    (folder / "list.mp4").write_text(f"ffconcat version 1.0\nfile {clip.name}\n")
    assert ends_with(folder / "list.mp4")[0] == "not_a_video"


def test_a_file_is_opened_once_a_descriptor_is_free(clip: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    kept: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 8, hard))
        with contextlib.suppress(OSError):
            while True:
                kept.append(os.dup(0))
        with WatchedCamera(clip, pace="fast", reconnect_initial_s=0.1, reconnect_max_s=0.1) as camera:
            wait_until(lambda: len(camera.reconnects) >= 2)
            assert set(camera.reconnects) == {"busy"}
            while kept:
                os.close(kept.pop())
            wait_until(lambda: camera.live)
    finally:
        for descriptor in kept:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_sound_is_not_a_video(folder: Path) -> None:
    assert ends_with(make_sound(folder / "sound.wav"))[0] == "not_a_video"


def test_a_codec_without_a_decoder_is_an_error(folder: Path, clip: Path) -> None:
    renamed = bytearray(clip.read_bytes())
    assert renamed.count(b"avc1") >= 1
    path = folder / "unknown.mp4"
    path.write_bytes(bytes(renamed).replace(b"avc1", b"zzz1").replace(b"isomiso2zzz1mp41", b"isomiso2avc1mp41"))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context is None
    assert ends_with(path)[0] == "unknown_codec"


def test_a_missing_device_is_retried() -> None:
    with WatchedCamera("device:/dev/video97") as camera:
        wait_until(lambda: len(camera.reconnects) >= 2)
        assert set(camera.reasons) == {"no_such_device"}
        assert camera.state == "connecting"
        assert "/dev/video97" in camera.statuses[-1].message


# -- the test pattern ------------------------------------------------------------------------------------------------


def test_the_test_pattern_is_a_camera_like_any_other() -> None:
    with WatchedCamera("pattern:320x240@50") as camera:
        wait_until(lambda: len(camera.frames) >= 30)
        numbers = camera.numbers(1)
        assert numbers == list(range(len(numbers)))
        assert camera.of_epoch(1)[0].size == (320, 240)
        assert {meta.clock for meta in camera.of_epoch(1)} == {"arrival"}
