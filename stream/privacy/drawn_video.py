"""Drawn video: what may be shown of private cameras, encoded as if the cameras had sent it.

One thread encodes the pictures of all private cameras and passes them to the receivers that get the packets of other
cameras: the recorder's rings and viewers. Nothing is encoded for a camera that is neither recorded nor watched. For the
seconds before an event, a recorded camera is encoded at a low rate. A queue holds the newest pictures of each camera,
so that the inference thread never waits.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ring_buffers.doorbell import Doorbell
from ring_buffers.frames import FrameMeta
from stream.pictures.jpeg import Encodable
from stream.pictures.video_encoding import FrameEncoder, NoEncoderError, chosen_encoder
from stream.privacy.shown import Shown
from stream.sources.decoding.clock import Stamp
from stream.sources.packet_sinks import PacketSink
from stream.sources.transport import AccessUnit, CodecParameters, UnitTimes

logger = logging.getLogger(__name__)

QUEUED = 2
"""Pictures of a camera that wait for the encoder; with more, the oldest is dropped."""
KEYFRAME_EVERY_US = 1_000_000
FPS: dict[Demand, float] = {"nothing": 0.0, "hold": 5.0, "show": 15.0}
"""Highest rate of pictures, by what they are needed for."""
RATE_SLACK_US = 5_000

Demand = Literal["nothing", "hold", "show"]
"""`hold`: for the seconds before an event that may come. `show`: a clip is being recorded, or there are viewers."""


@dataclass(slots=True)
class _Picture:
    meta: FrameMeta
    copy: Encodable


class DrawnVideo:
    """The video of one private camera. `offer` is called by the inference thread, the rest by any thread."""

    def __init__(
        self,
        camera: str,
        sink: PacketSink,
        demand: Callable[[], Demand],
        keyframe_wanted: Callable[[float], bool],
        wake: Callable[[], None],
    ) -> None:
        """`sink` is called in several threads, one at a time. `wake` wakes the encoding thread."""
        self.closed = False
        """Whether no more pictures are taken."""
        self._camera = camera
        self._sink = sink
        self._demand = demand
        self._keyframe_wanted = keyframe_wanted
        self._wake = wake
        self._using_sink = threading.Lock()  # never held while a picture is copied, drawn or encoded
        self._lock = threading.Lock()  # for the queue; held briefly
        self._queue: deque[_Picture] = deque(maxlen=QUEUED)
        self._offered_us = float("-inf")
        """Media time of the last picture that was queued."""
        self._epoch = 0
        """The epoch that the sink knows of; 0 while the camera is not connected."""
        self._over = 0
        """The last epoch that has ended."""
        self._encoder: FrameEncoder | None = None
        self._encodes = 0
        """The epoch of the encoder."""
        self._failed = 0
        """The epoch in which encoding failed."""
        self._key_us = float("-inf")
        """Media time of the last keyframe."""

    def offer(self, shown: Shown) -> None:
        """Queue a published frame, whose slot is still leased, if it is needed. Never raises."""
        meta = shown.meta
        if self.closed or meta.epoch <= self._over:
            return
        try:
            if meta.epoch != self._epoch:
                self._begin(meta.epoch)
            fps = FPS[self._demand()]
            if fps and meta.media_us - self._offered_us >= 1e6 / fps - RATE_SLACK_US:
                self._offered_us = meta.media_us
                self._queue_picture(_Picture(meta, shown.copy(for_video=True)))
        except Exception:
            logger.exception("camera %s: copying a picture for its video failed", self._camera)

    def interrupt(self, epoch: int) -> None:
        """Tell the receivers that the camera is no longer connected. `epoch` is the last one of the connection."""
        with self._using_sink:
            self._over = max(self._over, epoch)
            if not self.closed and self._epoch <= epoch:
                self._epoch = 0
                self._sink.disconnected()

    def close(self) -> None:
        """Close the receivers. Pictures that are not encoded yet are dropped."""
        with self._using_sink:
            if not self.closed:
                self.closed = True
                self._sink.close()

    def _begin(self, epoch: int) -> None:
        with self._using_sink:
            if not self.closed and epoch > self._over:
                self._epoch = epoch
                self._offered_us = float("-inf")
                self._sink.begin(CodecParameters(codec_name(), b"", (0, 0), "yuv420p"))

    def _queue_picture(self, picture: _Picture) -> None:
        with self._lock:
            self._queue.append(picture)
        self._wake()

    # -- the encoding thread ------------------------------------------------------------------------------------
    def advance(self) -> bool:
        """Encode the oldest queued picture. Return whether there was one. Never raises."""
        with self._lock:
            if not self._queue:
                return False
            picture = self._queue.popleft()
        try:
            self._encode(picture)
        except Exception:
            logger.exception("camera %s: its drawn video failed; it continues with the next epoch", self._camera)
            self._failed = picture.meta.epoch
        return True

    def _encode(self, picture: _Picture) -> None:
        meta = picture.meta
        if self.closed or meta.epoch != self._epoch or meta.epoch == self._failed:
            return
        if self._encoder is None or self._encodes != meta.epoch:
            frame = picture.copy.frame
            self._encoder, self._encodes = FrameEncoder((frame.width, frame.height)), meta.epoch
            self._key_us = float("-inf")
        key = meta.media_us - self._key_us >= KEYFRAME_EVERY_US or self._keyframe_wanted(meta.arrival_ns / 1e9)
        packet = self._encoder.encode(picture.copy, meta.media_us, key=key)
        if packet is None:
            return
        if packet.is_keyframe:
            self._key_us = meta.media_us
        times = UnitTimes(meta.media_us, meta.arrival_ns, meta.capture_us)
        with self._using_sink:
            if not self.closed and self._epoch == meta.epoch:
                self._sink.add(AccessUnit(packet, times))
                self._sink.shown(times, meta.epoch, Stamp(meta.media_us, meta.capture_us, meta.clock))


def codec_name() -> str:
    """Return FFmpeg's name of the codec of drawn video. Raises `NoEncoderError`."""
    return "h264" if chosen_encoder() == "libx264" else "mpeg4"


class DrawnVideos:
    """The drawn videos of all private cameras, and the thread that encodes them, which starts with the first one."""

    def __init__(self, video: Literal["draw", "refuse"] = "draw") -> None:
        """`video`: as `privacy.video` in the configuration."""
        self.refusal: str | None = None
        """Why there are none, as the end of a sentence; None if there can be."""
        if video == "refuse":
            self.refusal = "privacy.video is `refuse`"
        else:
            try:
                chosen_encoder()
            except NoEncoderError as error:
                self.refusal = f"it cannot be encoded: {error}"
        self._videos: tuple[DrawnVideo, ...] = ()
        self._lock = threading.Lock()
        self._bell = Doorbell()
        self._closed = False
        self._thread: threading.Thread | None = None

    def add(
        self,
        camera: str,
        sink: PacketSink,
        demand: Callable[[], Demand],
        keyframe_wanted: Callable[[float], bool] = lambda now_s: False,
    ) -> DrawnVideo:
        """Return the video of a camera that starts, for `sink`. `demand` tells what its pictures are needed for."""
        video = DrawnVideo(camera, sink, demand, keyframe_wanted, self._bell.ring)
        with self._lock:
            self._videos = (*(one for one in self._videos if not one.closed), video)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._encode, name="drawn video", daemon=True)
                self._thread.start()
        return video

    def close(self) -> None:
        """Stop the thread after the picture that it is encoding."""
        self._closed = True
        self._bell.ring()
        if self._thread is not None:
            self._thread.join(1.0)

    def _encode(self) -> None:
        while not self._closed:
            self._bell.wait()
            # One picture of each camera in turn, so that none waits for all of another.
            while not self._closed and any(list(map(DrawnVideo.advance, self._videos))):
                pass
