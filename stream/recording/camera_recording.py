"""One camera's packets, results and planned windows, and the clip that is being written.

The camera's thread adds packets, the publishing thread results, and the writer thread calls `advance`. Lives from a
start of the camera to the end of its last clip. Everything is bounded: results are kept as long as packets.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from av.error import FFmpegError

from stream.recording.clip_file import ClipError
from stream.recording.clips import Clip, ClipAlert, ClipEvent
from stream.recording.disk_condition import reason_of
from stream.recording.library import ClipLibrary
from stream.recording.open_clip import ClipLostError, OpenClip
from stream.recording.packets import PacketRing
from stream.recording.planning import ClipPlanner, ClipRules, Window
from stream.results import Alert, EndReason, Event, Frame

logger = logging.getLogger(__name__)

RESULTS_HELD = 4096
"""Maximum number of results, whatever their rate."""

WHY_LOST = {
    "no_key_frame": "no keyframe is in memory: see recording.packet_bytes and packet_seconds",
    "behind": "the disk was too slow: the first frames are no longer in memory",
}
"""Explanations for the reasons of `ClipLostError`."""

FAIL_REASONS = ("low_disk", "disk_full", "unwritable", "no_key_frame", "behind", "codec", "privacy", "internal")


@dataclass(slots=True)
class ClipCounts:
    """Clips of a camera since the engine started."""

    written: int = 0
    """Clips written."""
    failed: Counter[str] = field(default_factory=Counter[str])
    """Clips that failed, by reason."""


class CameraRecording:
    """Recording of one camera. `run` is the engine's run; `counts` is shared with later starts of the camera.

    `on_kept` is called with each complete clip and its size in bytes, once all its files are in place. With a
    `refusal`, which says why, every clip fails for privacy. `privacy`: what is hidden in the packets.
    """

    def __init__(
        self,
        camera: str,
        run: str,
        rules: ClipRules,
        packets: PacketRing,
        library: ClipLibrary,
        counts: ClipCounts,
        on_kept: Callable[[Clip, int], None] = lambda clip, size: None,
        refusal: str | None = None,
        privacy: Literal["masked", "skeleton"] | None = None,
    ) -> None:
        self.camera = camera
        self.packets = packets
        self.counts = counts
        self._run = run
        self._library = library
        self._on_kept = on_kept
        self._refusal = refusal
        self._privacy: Literal["masked", "skeleton"] | None = privacy
        self._planner = ClipPlanner(rules)
        self._results: deque[tuple[int, Frame]] = deque(maxlen=RESULTS_HELD)
        """Results with their arrival, monotonic ns."""
        self._lock = threading.Lock()
        self._clip: OpenClip | None = None
        self._refused_reported = 0

    # -- the publishing thread ----------------------------------------------------------------------------------
    def take_frame(self, frame: Frame) -> None:
        """Take a published result."""
        oldest_ns = self.packets.oldest_arrival_ns
        with self._lock:
            self._results.append((time.monotonic_ns(), frame))
            while oldest_ns is not None and self._results and self._results[0][0] < oldest_ns:
                self._results.popleft()

    def take_event(self, event: Event | Alert) -> bool:
        """Take a published event or alert, after its frame's result. Return whether `advance` has work to do."""
        with self._lock:
            if not self._results:
                return False
            return self._planner.take(event, self._results[-1][1].media_time_us)

    # -- the writer's thread ------------------------------------------------------------------------------------
    @property
    def idle(self) -> bool:
        """Whether nothing is being written or waits to be written."""
        return not self._planner.windows

    def advance(self, *, stopping: bool = False) -> None:
        """Write what is available. Never raises: a clip that fails is counted, logged and abandoned.

        `stopping`: no more packets or results will arrive.
        """
        self._report_refused()
        while True:
            with self._lock:
                window = self._planner.windows[0] if self._planner.windows else None
            if window is None:
                return
            try:
                if not self._advance(window, stopping):
                    return
                self.counts.written += 1
            except ClipLostError as error:
                self._fail(str(error), window, WHY_LOST.get(str(error)) or self._refusal or "")
            except OSError as error:
                self._library.condition.failed(error)
                self._fail(reason_of(error), window, error.strerror or str(error))
            except (ClipError, FFmpegError) as error:
                # FFmpeg's file errors are OSErrors too, so this is about invalid data.
                self._fail("codec", window, str(error))
            except Exception:
                logger.exception("camera %s: internal error while writing a clip", self.camera)
                self._fail("internal", window, "internal error")
            with self._lock:
                self._planner.done(window)

    def _advance(self, window: Window, stopping: bool) -> bool:
        """Return whether the window's clip is finished."""
        clip = self._clip or self._begin(window, stopping)
        if clip is None:
            return False
        clip.take_units(self.packets, self._end_of(window), stopping)
        with self._lock:
            results = [frame for _, frame in self._results]
        clip.take_results(results, at_once=stopping)
        if not self._library.update_size(clip.name, clip.bytes_written):
            clip.end("budget")
        if not self._library.condition.has_room():
            clip.end("low_disk")
        if not clip.complete(stopping):
            return False
        with self._lock:  # the publishing thread changes its events
            events, alerts = clip_events(window), clip_alerts(window)
        finished = clip.finish(self._run, events, alerts, self._privacy)
        size = self._library.keep(finished)
        logger.info("camera %s: clip %s (%s)", self.camera, clip.name, finished.ended)
        self._clip = None
        if self._library.clip(clip.name) is not None:  # it may exceed the budget
            self._on_kept(finished, size)
        return True

    def _end_of(self, window: Window) -> tuple[int, EndReason]:
        with self._lock:
            return window.end_us, "longest" if window.cut_short else "complete"

    def _begin(self, window: Window, stopping: bool) -> OpenClip | None:
        """Open the clip once its first frame is available."""
        if self._refusal is not None:
            raise ClipLostError("privacy")
        packets = self.packets
        first = packets.start_for(window.epoch, window.begin_us)
        if first is None:
            if stopping or not packets.connected or packets.epoch > window.epoch:
                raise ClipLostError("no_key_frame")
            return None
        if first.media_us > window.end_us:
            raise ClipLostError("no_key_frame")
        cause = window.causes[0]
        name = self._library.begin(cause.message.capture_us, self.camera, cause.name)
        self._clip = OpenClip(self.camera, name, self._library, first, packets.reorder)
        with self._lock:
            window.began(first.media_us)
        return self._clip

    def _fail(self, reason: str, window: Window, why: str) -> None:
        self.counts.failed[reason] += 1
        cause = window.causes[0].name
        fields = {"camera": self.camera, "reason": reason}
        logger.warning("camera %s: no clip of %r (%s): %s", self.camera, cause, reason, why, extra=fields)
        if self._clip is not None:
            self._clip.abandon()
            self._clip = None

    def _report_refused(self) -> None:
        refused = self._planner.refused - self._refused_reported
        if refused:
            self._refused_reported += refused
            self.counts.failed["behind"] += refused
            logger.warning("camera %s: %d events have no clip, because writing cannot keep up", self.camera, refused)


def clip_events(window: Window) -> list[ClipEvent]:
    """Return the actions that caused a window's clip."""
    return [
        ClipEvent(
            cause.message.track,
            cause.message.label,
            round(cause.message.score, 4),
            cause.message.capture_us,
            cause.media_us,
            cause.end_us,
            cause.message.experimental,
            cause.message.event,
        )
        for cause in window.causes
        if isinstance(cause.message, Event)
    ]


def clip_alerts(window: Window) -> list[ClipAlert]:
    """Return the alerts that caused a window's clip."""
    return [
        ClipAlert(
            cause.message.alert,
            cause.message.rule,
            cause.message.severity,
            cause.message.reason,
            cause.message.capture_us,
            cause.media_us,
            cause.end_us,
        )
        for cause in window.causes
        if isinstance(cause.message, Alert)
    ]
