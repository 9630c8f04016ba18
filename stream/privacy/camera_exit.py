"""CameraExit: the one way by which a camera's pixels and packets leave the engine.

Nothing else shows a slot's pixels, or gives packets of a camera to receivers. A camera with masks or in skeleton mode
has no receivers of packets, because what the camera sends is encoded without both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from ring_buffers.frames import Lease, SlotFormat
from stream.privacy.shown import Shown, ShownResult, ShownSlot
from stream.privacy.slot_mask import SlotMask
from stream.results import Frame
from stream.settings.engine import CameraConfig
from stream.settings.privacy.modes import PrivacyMode
from stream.sources.packet_sinks import PacketSink, PacketSinks

REFUSALS: dict[PrivacyMode, str | None] = {
    "off": None,
    "masked": "it has privacy masks, and its video has been encoded without them",
    "skeleton": "its privacy is `skeleton`: only drawn pictures leave the engine",
}
"""Why the video of a camera is refused, by its mode, as the end of a sentence."""


class CameraExit:
    """The exit of one running camera."""

    def __init__(self, config: CameraConfig) -> None:
        self.mode: PrivacyMode = config.privacy_mode
        """How much is hidden. It does not change while the camera runs."""
        self.video_refusal = REFUSALS[self.mode]
        """Why the camera's own video is refused, as the end of a sentence; None if it is not."""
        self._outlines = [mask.points for mask in config.masks.values()]

    @property
    def stated(self) -> Literal["masked", "skeleton"] | None:
        """The mode as messages state it."""
        return None if self.mode == "off" else self.mode

    @property
    def mask_for(self) -> Callable[[SlotFormat], SlotMask] | None:
        """Returns the mask for the slots of a format; None if the camera has no masks."""
        outlines = self._outlines
        return (lambda format: SlotMask(outlines, format)) if outlines else None

    def packet_sink(self, sinks: Sequence[PacketSink]) -> PacketSink | None:
        """Return the receiver of the camera's packets; None, so that the reader has none, if its video is refused."""
        return PacketSinks(sinks) if self.mode == "off" else None

    def show(self, lease: Lease, result: Frame) -> Shown:
        """Return what may be shown of a published frame while its slot is leased."""
        if self.mode == "skeleton":
            return ShownResult(lease.meta, result)
        return ShownSlot(lease.meta, lease.picture)
