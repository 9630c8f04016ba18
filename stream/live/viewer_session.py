"""One viewer's WebRTC connection with one camera's video. Lives in the WebRTC thread.

aiortc packetises encoded packets and chooses the first RTP timestamp itself. A viewer with a data channel needs to map
RTP timestamps to media times and is sent `{"epoch", "media_us", "rtp"}` as JSON at first, with each epoch and every few
seconds. The timestamp is read from a private attribute, which is why aiortc is pinned.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtcdatachannel import RTCDataChannel

from stream.live.live_video import RATE, LiveUnit, LiveVideo, QueueClosedError, RtpTimes, UnitQueue
from stream.sources.webrtc.connection import Connection
from stream.sources.webrtc.end_reason import EndReason
from stream.sources.webrtc.ice_servers import IceServers

CONNECT_WITHIN_S = 10.0
SDP_NAMES = {"h264": "H264", "vp8": "VP8"}
MAPPING_INTERVAL_S = 10.0
"""RTP timestamps wrap after 13 hours, so the mapping must be sent repeatedly."""


class VideoTrack(MediaStreamTrack):
    """The source of packets for aiortc."""

    kind = "video"

    def __init__(self, next_packet: Callable[[], Any]) -> None:
        super().__init__()
        self._next_packet = next_packet

    async def recv(self) -> av.Packet:
        """Return the next encoded picture, with its time in 1/90000 s."""
        return await self._next_packet()


class ViewerSession(Connection):
    """Sends `video` in this codec (FFmpeg's name) to one viewer, from `answer` until its end."""

    def __init__(
        self, ice_servers: IceServers, video: LiveVideo, codec: str, on_closed: Callable[[Connection], None]
    ) -> None:
        super().__init__(ice_servers, on_closed)
        self._video = video
        self._queue = UnitQueue(codec, video.want_keyframe)
        self._times = RtpTimes()
        self._channel: RTCDataChannel | None = None
        self._sent: LiveUnit | None = None
        self._mapped: tuple[int, float] = (0, 0.0)
        """The epoch of the last mapping sent, and when (monotonic s)."""
        capabilities = RTCRtpSender.getCapabilities("video").codecs
        transceiver = self._peer.addTransceiver(VideoTrack(self._next_packet), direction="sendonly")
        transceiver.setCodecPreferences([one for one in capabilities if one.name in (SDP_NAMES[codec], "rtx")])
        self._sender: Any = transceiver.sender
        assert hasattr(self._sender, "_RTCRtpSender__rtp_timestamp"), "unexpected aiortc version"
        # Called for a viewer's PLI and FIR, which aiortc's encoder would otherwise answer.
        self._sender._send_keyframe = video.want_keyframe
        self._peer.on("datachannel", self._take_channel)

    @property
    def skipped(self) -> int:
        """Units dropped because the viewer was too slow."""
        return self._queue.skipped

    async def answer(self, offer: str) -> str:
        """Accept the viewer's offer, and return the answer with all candidates. Raises `OfferError`."""
        answer = await self._answer(offer, self._send_only)
        self._video.add_viewer(self._queue)
        self._tasks.append(asyncio.create_task(self._end_if_unconnected(), name="webrtc viewer"))
        return answer

    def _send_only(self) -> None:
        for transceiver in self._peer.getTransceivers():
            transceiver.direction = "sendonly" if transceiver.kind == "video" else "inactive"

    async def _next_packet(self) -> av.Packet:
        """Return the next packet. aiortc calls this after it has sent the previous one."""
        self._send_mapping()
        try:
            unit = await self._queue.get()
        except QueueClosedError:
            self.end("stopped")
            raise MediaStreamError from None
        packet = av.Packet(unit.data)
        packet.pts = packet.dts = self._times.ticks(unit.epoch, unit.media_us, unit.arrival_ns)
        packet.time_base = Fraction(1, RATE)
        self._sent = unit
        return packet

    # -- RTP timestamps and media times---------------------------------------------------------------------------
    def _take_channel(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            self.end("left")  # one is enough
            return
        self._channel = channel

    def _send_mapping(self) -> None:
        sent, channel = self._sent, self._channel
        if sent is None or channel is None or channel.readyState != "open":
            return
        epoch, at_s = self._mapped
        now_s = time.monotonic()
        if epoch == sent.epoch and now_s - at_s < MAPPING_INTERVAL_S:
            return
        self._mapped = sent.epoch, now_s
        rtp = self._sender._RTCRtpSender__rtp_timestamp
        channel.send(json.dumps({"epoch": sent.epoch, "media_us": sent.media_us, "rtp": rtp}))

    # -- the end ------------------------------------------------------------------------------------------------
    def _stop_handing_over(self, reason: EndReason) -> None:
        self._video.remove_viewer(self._queue)
        self._queue.close()

    async def _end_if_unconnected(self) -> None:
        """End the session if no connection is established in time."""
        await asyncio.sleep(CONNECT_WITHIN_S)
        if not self.connected:
            self.end("unconnected")
