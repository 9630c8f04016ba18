"""The files of one clip while it is being written: video and results."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import IO, Literal

import msgspec

from stream.recording.clip_file import ClipFile
from stream.recording.clips import Clip, ClipAlert, ClipEvent
from stream.recording.library import RESULTS, VIDEO, ClipLibrary
from stream.recording.packets import HeldUnit, PacketRing
from stream.results import EndReason, Frame
from stream.settings.files import sync

logger = logging.getLogger(__name__)

RESULTS_WITHIN_S = 2.0
"""Time to wait for the results of the last frames, which the model may have dropped."""


class ClipLostError(Exception):
    """The clip of a window cannot be written. The argument is the reason: `no_key_frame` or `behind`."""


class OpenClip:
    """A clip that is being written."""

    def __init__(self, camera: str, name: str, library: ClipLibrary, first: HeldUnit, reorder: int) -> None:
        self.name = name
        self.ended: EndReason | None = None
        self._camera = camera
        self._library = library
        self._epoch = first.epoch
        self._next_serial = first.serial
        self._beyond_us = -1
        """Media time of the latest frame written beyond the window's end; earlier frames can follow it."""
        self._next_seq = 0
        self._latest_result_us = -1
        self._results_over = False
        self._ended_ns = 0
        self._results = 0
        self._lines: IO[bytes] | None = None
        self._video: ClipFile | None = None
        try:
            self._lines = self._part(RESULTS).open("wb")
            self._video = ClipFile(self._part(VIDEO), first, reorder)
        except BaseException:
            self.abandon()
            raise

    def _part(self, ending: str) -> Path:
        return self._library.part(self.name, ending)

    @property
    def bytes_written(self) -> int:
        """Size of video and results."""
        assert self._video is not None and self._lines is not None
        return self._video.bytes_written + self._lines.tell()

    def end(self, reason: EndReason) -> None:
        """Add no more frames."""
        if self.ended is None:
            self.ended = reason
            self._ended_ns = time.monotonic_ns()

    def take_units(self, packets: PacketRing, until: tuple[int, EndReason], stopping: bool) -> None:
        """Write units up to the window's end. Raises `ClipLostError` if the first ones are no longer in memory."""
        video = self._video
        assert video is not None
        connected, closed = packets.connected, packets.closed  # read before the units, so that none is missed
        units = packets.settled_from(self._next_serial)
        if packets.oldest_serial > self._next_serial and self.ended is None:
            # Units were lost while the disk was busy; later ones cannot be decoded without them.
            if not video.frames:
                raise ClipLostError("behind")
            logger.warning("camera %s: clip %s ends early, because writing cannot keep up", self._camera, self.name)
            return self.end("behind")
        end_us, why = until
        for unit in units:
            if self.ended is not None:
                return
            if unit.epoch != self._epoch:
                self.end("epoch")
            elif unit.media_us > max(end_us, self._beyond_us) and (not packets.reorder or self._beyond_us > end_us):
                self.end(why)
            elif not video.fits(unit):
                self.end("format")
            else:
                video.write(unit)
                if unit.media_us > end_us:
                    self._beyond_us = max(self._beyond_us, unit.media_us)
                self._next_serial = unit.serial + 1
        if stopping or closed:
            self.end("camera")
        elif not connected:
            self.end("epoch")

    def take_results(self, results: list[Frame], *, at_once: bool) -> None:
        """Write the results of the frames written so far, and check whether more can follow."""
        video, lines = self._video, self._lines
        assert video is not None and lines is not None
        for frame in results:
            if frame.epoch > self._epoch:
                self._results_over = True
            if frame.epoch != self._epoch or frame.seq < self._next_seq:
                continue
            self._latest_result_us = frame.media_time_us
            if frame.media_time_us > video.last_us:
                break
            if frame.media_time_us >= video.first_us:
                lines.write(msgspec.json.encode(frame) + b"\n")
                self._results += 1
            self._next_seq = frame.seq + 1
        late = self.ended is not None and time.monotonic_ns() - self._ended_ns > RESULTS_WITHIN_S * 1e9
        self._results_over = self._results_over or at_once or late or self._latest_result_us >= video.last_us

    def complete(self, stopping: bool) -> bool:
        """Return whether the clip is complete."""
        return self.ended is not None and (self._results_over or stopping)

    def finish(
        self,
        run: str,
        events: list[ClipEvent],
        alerts: list[ClipAlert],
        privacy: Literal["masked", "skeleton"] | None = None,
    ) -> Clip:
        """Close the files, and return the clip's metadata."""
        video, lines = self._video, self._lines
        assert video is not None and lines is not None and self.ended is not None
        lines.close()
        video.close()
        for ending in (VIDEO, RESULTS):
            sync(self._part(ending))
        return Clip(
            name=self.name,
            run=run,
            camera=self._camera,
            epoch=self._epoch,
            events=[event for event in events if event.media_time_us <= video.last_us],
            alerts=[alert for alert in alerts if alert.media_time_us <= video.last_us],
            start_us=video.first_capture_us,
            end_us=video.last_capture_us,
            start_media_time_us=video.first_us,
            end_media_time_us=video.last_us,
            codec=video.coding,
            reencoded=video.reencoded,
            frames=video.frames,
            results=self._results,
            ended=self.ended,
            privacy=privacy,
            video_bytes=self._part(VIDEO).stat().st_size,
            written_us=time.time_ns() // 1000,
        )

    def abandon(self) -> None:
        """Close and delete the files. Never raises."""
        if self._video is not None:
            self._video.abandon()
        if self._lines is not None:
            try:
                self._lines.close()
            except OSError as error:
                logger.debug("%s: %s", self.name, error.strerror)
        self._library.discard(self.name)
