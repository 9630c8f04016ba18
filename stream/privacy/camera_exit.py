"""CameraExit: the one way by which a camera's pixels and packets leave the engine.

Nothing else gives packets of a camera to receivers. A camera with privacy masks has no receivers of packets, because
its packets are encoded before the masks are applied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ring_buffers.frames import SlotFormat
from stream.privacy.slot_mask import SlotMask
from stream.settings.engine import CameraConfig
from stream.sources.packet_sinks import PacketSink, PacketSinks

REFUSALS = {"masked": "it has privacy masks, and its video has been encoded without them"}
"""Why the video of a camera is refused, by its mode, as the end of a sentence."""


def video_refusal(config: CameraConfig) -> str | None:
    """Return why a camera's own video is refused for privacy, as the end of a sentence; None if it is not."""
    return REFUSALS[config.privacy_mode] if config.privacy_mode != "off" else None


class CameraExit:
    """The exit of one running camera."""

    def __init__(self, config: CameraConfig) -> None:
        self._config = config

    @property
    def video_refusal(self) -> str | None:
        """Why its own video is refused for privacy, as the end of a sentence; None if it is not."""
        return video_refusal(self._config)

    @property
    def mask_for(self) -> Callable[[SlotFormat], SlotMask] | None:
        """Returns the mask for the slots of a format; None if the camera has no masks."""
        outlines = [mask.points for mask in self._config.masks.values()]
        return (lambda format: SlotMask(outlines, format)) if outlines else None

    def packet_sink(self, sinks: Sequence[PacketSink]) -> PacketSink | None:
        """Return the receiver of the camera's packets; None, so that the reader has none, if its video is refused."""
        return None if self.video_refusal is not None else PacketSinks(sinks)
