"""CameraExit: the one way by which a camera's pixels and packets leave the engine.

Nothing else shows a slot's pixels, or gives packets of a camera to receivers. What a camera with masks or in skeleton
mode sends is encoded without both, so its packets have no receivers. These get drawn video instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ring_buffers.frames import Lease, SlotFormat
from stream.privacy.background import Background
from stream.privacy.drawn_video import Demand, DrawnVideo, DrawnVideos
from stream.privacy.shown import Shown, ShownResult, ShownSlot
from stream.privacy.slot_mask import SlotMask
from stream.results import Frame
from stream.settings.engine import CameraConfig
from stream.settings.privacy import PrivacyMode
from stream.sources.packet_sinks import PacketSink, PacketSinks

HIDDEN: dict[PrivacyMode, str] = {
    "masked": "it has privacy masks, and its video has been encoded without them",
    "skeleton": "its privacy is `skeleton`: only drawn pictures leave the engine",
}
"""Why the video that a camera sends is not forwarded, by its mode, as the end of a sentence."""


class CameraExit:
    """The exit of one running camera."""

    def __init__(self, config: CameraConfig, videos: DrawnVideos | None = None) -> None:
        """`videos` draws the video of a camera that hides anything; without it, the video is refused."""
        self.mode: PrivacyMode = config.privacy_mode
        """How much is hidden. It does not change while the camera runs."""
        self.video_refusal: str | None = None
        """Why the camera has no video, as the end of a sentence; None if it has."""
        self._videos = videos
        self._video: DrawnVideo | None = None
        if self.mode != "off":
            reason = "" if videos is None else videos.refusal
            if reason is not None:
                self.video_refusal = HIDDEN[self.mode] + (f", and {reason}" if reason else "")
        self._camera = config.id
        self._outlines = [mask.points for mask in config.masks.values()]
        self._background = Background(config.background if self.mode == "skeleton" else None, self._outlines)

    @property
    def stated(self) -> Literal["masked", "skeleton"] | None:
        """The mode as messages state it."""
        return None if self.mode == "off" else self.mode

    @property
    def warnings(self) -> list[str]:
        """What is shown otherwise than configured, for the camera's status."""
        problem = self._background.problem
        return [] if problem is None else [f"its background is grey, because of {problem}"]

    @property
    def mask_for(self) -> Callable[[SlotFormat, int], SlotMask] | None:
        """Returns the mask for the slots of a format, as `SlotMask` takes it; None if the camera has no masks."""
        outlines = self._outlines
        return (lambda format, enlarged: SlotMask(outlines, format, enlarged)) if outlines else None

    def packet_sink(
        self,
        sinks: Sequence[PacketSink],
        demand: Callable[[], Demand] = lambda: "nothing",
        keyframe_wanted: Callable[[float], bool] = lambda now_s: False,
    ) -> PacketSink | None:
        """Return the receiver of the camera's packets; None, so that the reader has none, if the camera hides anything.

        `sinks` then get drawn video, as far as `demand` tells that they need it, unless it is refused.
        `keyframe_wanted(now)` (monotonic s) returns whether they wait for a keyframe.
        """
        if self.mode == "off":
            return PacketSinks(sinks)
        if self._videos is not None and self.video_refusal is None:
            self._video = self._videos.add(self._camera, PacketSinks(sinks), demand, keyframe_wanted)
        return None

    def show(self, lease: Lease, result: Frame) -> Shown:
        """Return what may be shown of a published frame while its slot is leased."""
        if self.mode == "skeleton":
            return ShownResult(lease.meta, result, self._background.at)
        return ShownSlot(lease.meta, lease.picture)

    def offer(self, shown: Shown) -> None:
        """Offer a frame for drawn video while its slot is leased."""
        if self._video is not None:
            self._video.offer(shown)

    def interrupt(self, epoch: int) -> None:
        """The camera is no longer connected, so a clip of this epoch ends."""
        if self._video is not None:
            self._video.interrupt(epoch)

    def close(self) -> None:
        """No more frames are shown."""
        if self._video is not None:
            self._video.close()
