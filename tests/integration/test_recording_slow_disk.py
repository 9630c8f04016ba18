"""A late writer: missed events are counted and logged, and its files can be decoded."""

from __future__ import annotations

from pathlib import Path

import pytest

from stream.recording.camera_recording import CameraRecording, ClipCounts
from stream.recording.library import ClipLibrary
from stream.recording.packets import HeldUnit, PacketRing
from stream.recording.planning import ClipRules
from stream.results import Event, Frame, ModelRef
from stream.sources.decoding.clock import Stamp
from stream.sources.transport import AccessUnit, UnitTimes
from support.engines.played_files import played
from support.engines.recording_engine import pictures
from support.engines.small_clips import make_clip

RULES = ClipRules({"fall": 0.5}, before_us=400_000, after_us=400_000, longest_us=60_000_000)
KEEP_S = 2.0


class SlowlyWritten:
    """A camera whose units and results arrive, and whose writer is called, when the test decides."""

    def __init__(self, folder: Path) -> None:
        whole, _ = played(make_clip(folder / "source.ts", frames=250))
        self.source: list[HeldUnit] = whole.settled_from(0)
        self.ring = PacketRing(KEEP_S, 10.0, 1 << 20)
        self.ring.begin(self.source[0].codec)
        self.clips = folder / "clips"
        self.library = ClipLibrary(self.clips, 1 << 30, 0)
        self.library.open()
        self.counts = ClipCounts()
        self.camera = CameraRecording("cam", "run", RULES, self.ring, self.library, self.counts)
        self.number = 0

    def play(self, count: int) -> None:
        """Receive `count` further pictures, 25 per second of media time."""
        for held in self.source[self.number : self.number + count]:
            times = UnitTimes(held.media_us, held.media_us * 1000, 0)
            self.ring.add(AccessUnit(held.unit.packet, times))
            self.ring.shown(times, 1, Stamp(held.media_us, held.capture_us, "arrival"))
            self.camera.take_frame(self._frame(held.media_us))
            self.number += 1

    def event(self, kind: str, label: str) -> None:
        """Receive an event of the last picture."""
        self.camera.take_event(
            Event(
                run="run",
                seq=0,
                camera="cam",
                epoch=1,
                frame=self.number,
                track=1,
                kind=kind,  # pyright: ignore[reportArgumentType]
                label=label,
                previous=None,
                score=0.9,
                capture_us=1_000_000,
                since_us=0,
            )
        )

    def _frame(self, media_us: int) -> Frame:
        return Frame(
            run="run",
            seq=self.number,
            camera="cam",
            epoch=1,
            frame=self.number,
            capture_us=0,
            clock="arrival",
            media_time_us=media_us,
            published_us=0,
            size=(320, 180),
            model=ModelRef("", "", False),
            people=[],
            objects=[],
        )


def test_a_writer_in_time_misses_nothing(tmp_path: Path) -> None:
    slow = SlowlyWritten(tmp_path)
    slow.play(60)
    slow.event("started", "fall")
    slow.play(10)
    slow.event("changed", "stand")
    slow.play(20)
    slow.camera.advance()
    (clip,) = slow.library.clips()
    assert (clip.ended, clip.frames, clip.results) == ("complete", 55, 55)
    assert len(pictures(slow.clips / f"{clip.name}.mp4")) == 55
    assert clip.start_media_time_us == slow.source[25].media_us, "the keyframe before the picture 10 before the event"
    assert clip.end_media_time_us == slow.source[79].media_us
    assert slow.camera.idle and slow.counts.failed == {}


def test_a_writer_that_falls_behind_ends_its_clip_before_the_missing_pictures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = SlowlyWritten(tmp_path)
    slow.play(60)
    slow.event("started", "fall")
    slow.camera.advance()
    slow.play(150)  # 6 s, of which 2 are held
    slow.camera.advance()
    slow.camera.advance(stopping=True)
    (clip,) = slow.library.clips()
    assert (clip.ended, clip.frames) == ("behind", 35)
    assert len(pictures(slow.clips / f"{clip.name}.mp4")) == 35
    assert f"camera cam: clip {clip.name} ends early" in caplog.text
    assert len(slow.ring) <= 100


def test_a_writer_that_never_runs_delays_nothing_and_every_event_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow = SlowlyWritten(tmp_path)
    for _ in range(8):
        slow.play(30)
        slow.event("started", "fall")
        slow.event("ended", "fall")
    slow.camera.advance(stopping=True)
    assert slow.counts.failed["behind"] == 4
    assert slow.counts.written + sum(slow.counts.failed.values()) == 8
    assert "camera cam: 4 events have no clip, because writing cannot keep up" in caplog.text
