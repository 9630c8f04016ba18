"""Session: one peer connection that receives one video. It lives in the WebRTC thread.

It depends on two internals of aiortc, whose version is therefore pinned: it replaces the jitter buffer
(`assembler.py`), and intercepts sender reports on their way to the receiver, which does not expose them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtcpSrPacket

from stream.sources.arrival_time import utc_us_at
from stream.sources.handover import Handover
from stream.sources.rtp.rtp_clock import RtpClock
from stream.sources.transport import AccessUnit, UnitTimes
from stream.sources.webrtc.assembler import AssembledUnit, UnitAssembler
from stream.sources.webrtc.connection import NEGOTIATE_WITHIN_S, Connection
from stream.sources.webrtc.descriptions import codecs
from stream.sources.webrtc.end_reason import EndReason
from stream.sources.webrtc.ice_servers import IceServers
from telemetry.reasons import DiscardReason

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 0.2
MICROSECOND = Fraction(1, 1_000_000)


class NegotiationError(Exception):
    """Negotiation failed; the message explains why without quoting the descriptions."""


class Session(Connection):
    """One connection. `on_discard(reason)` is called for each discarded unit, `on_closed` once, at the end."""

    def __init__(
        self,
        ice_servers: IceServers,
        start_timeout_s: float,
        stall_timeout_s: float,
        on_discard: Callable[[DiscardReason], None],
        on_closed: Callable[[Connection], None],
    ) -> None:
        super().__init__(ice_servers, on_closed)
        self.handover = Handover[EndReason]()
        self._start_timeout_s = start_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._on_discard = on_discard
        self._assembler: UnitAssembler | None = None
        self._clock = RtpClock()
        self._last_s: float | None = None
        self._peer.on("track", self._track_added)

    # -- negotiation --------------------------------------------------------------------------------------------
    async def answer(self, offer: str) -> str:
        """Accept a publisher's offer, and return our answer with all candidates. Raises `OfferError`."""
        await self._answer(offer, self._receive_only)
        return self._begin()

    def _receive_only(self) -> None:
        for transceiver in self._peer.getTransceivers():
            transceiver.direction = "recvonly" if transceiver.kind == "video" else "inactive"

    async def offer(self) -> str:
        """Return an offer to receive a gateway's video. Raises `NegotiationError`."""
        self._peer.addTransceiver("video", direction="recvonly")
        try:
            async with asyncio.timeout(NEGOTIATE_WITHIN_S):
                await self._describe()
        except TimeoutError:
            raise NegotiationError(f"no offer could be created within {NEGOTIATE_WITHIN_S:g} s") from None
        return self._peer.localDescription.sdp

    async def accept(self, answer: str) -> None:
        """Accept the gateway's answer to our offer. Raises `NegotiationError`."""
        try:
            async with asyncio.timeout(NEGOTIATE_WITHIN_S):
                await self._peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:
            logger.debug("rejected an answer: %s", type(error).__name__)
            raise NegotiationError("its answer is invalid, or does not match our offer") from None
        self._begin()

    def _begin(self) -> str:
        """Begin to wait for pictures after the exchange of descriptions, and return our description."""
        description = self._peer.localDescription.sdp
        (receiver,) = (one.receiver for one in self._peer.getTransceivers() if one.kind == "video")
        self._assembler = UnitAssembler(codecs(description.split("\r\n")), self._on_discard)
        self._intercept(receiver)
        self._tasks.append(asyncio.create_task(self._end_if_silent(), name="webrtc watch"))
        return description

    def _intercept(self, receiver: RTCRtpReceiver) -> None:
        private: Any = receiver
        assert hasattr(private, "_RTCRtpReceiver__jitter_buffer"), "unsupported version of aiortc"
        private._RTCRtpReceiver__jitter_buffer = self
        handle = private._handle_rtcp_packet

        async def intercept(packet: object) -> None:
            if isinstance(packet, RtcpSrPacket):
                self._clock.report(packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp)
            await handle(packet)

        private._handle_rtcp_packet = intercept

    # -- pictures -----------------------------------------------------------------------------------------------
    def add(self, packet: Any) -> tuple[bool, None]:
        """Add a packet in place of aiortc's jitter buffer; return whether to request a keyframe, but no picture."""
        assert self._assembler is not None
        now_ns = time.monotonic_ns()
        for unit in self._assembler.add(packet, now_ns):
            self._hand_over(unit, now_ns)
        return self._assembler.should_request_keyframe(now_ns), None

    def need_keyframe(self) -> None:
        """Discard units until the next keyframe: one could not be decoded. May be called from any thread."""
        self._call_soon(lambda: self._assembler.need_keyframe() if self._assembler is not None else None)

    def want_keyframe(self) -> None:
        """Request a keyframe without discarding units. May be called from any thread."""
        self._call_soon(lambda: self._assembler.want_keyframe() if self._assembler is not None else None)

    def _hand_over(self, unit: AssembledUnit, now_ns: int) -> None:
        self._last_s = now_ns / 1e9
        pts_us = self._clock.pts_us(unit.rtp_timestamp, now_ns)
        packet = av.Packet(unit.data)
        packet.pts = packet.dts = pts_us
        packet.time_base = MICROSECOND
        packet.is_keyframe = unit.is_keyframe
        times = UnitTimes(pts_us, now_ns, utc_us_at(now_ns), self._clock.sender_utc_us(pts_us))
        lost = self.handover.put(unit.codec, AccessUnit(packet, times))
        if lost:
            assert self._assembler is not None
            self._assembler.need_keyframe()
            for _ in range(lost):
                self._on_discard(DiscardReason.OVERRUN)

    # -- the end ------------------------------------------------------------------------------------------------
    def _stop_handing_over(self, reason: EndReason) -> None:
        self.handover.close(reason)

    def _track_added(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._tasks.append(asyncio.create_task(self._await_track_end(track), name="webrtc track"))

    async def _await_track_end(self, track: MediaStreamTrack) -> None:
        """Wait for the end of the track (RTCP BYE); it never delivers pictures."""
        try:
            while True:
                await track.recv()
        except MediaStreamError:
            self.end("left")

    async def _end_if_silent(self) -> None:
        """End the session if no picture arrives: a camera thread may not be reading it."""
        began_s = time.monotonic()
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            now_s = time.monotonic()
            if self._last_s is None:
                if now_s - began_s >= self._start_timeout_s:
                    self.end("silent" if self.connected else "unconnected")
            elif now_s - self._last_s >= self._stall_timeout_s:
                self.end("stalled")
