"""AccessUnits: RTP packets of one video stream in, whole pictures out. Pure: time is an argument.

A picture is whole with its marked last packet, one frame interval before the next begins. Nothing broken is given out:
after a loss all is left out until decoding can begin anew (see `recovery`), but for a picture that no other refers to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from stream.sources.rtp.codecs.bits import SLICE_HEADER_BYTES
from stream.sources.rtp.codecs.depacketiser import BEGUN, BROKEN, NalKind
from stream.sources.rtp.codecs.parameter_sets import ParameterSets
from stream.sources.rtp.codecs.video_parameters import VideoCodec, VideoParameters
from stream.sources.rtp.encoded_unit import EncodedUnit
from stream.sources.rtp.header import FIXED_HEADER, HEADER_BYTES, MARKER, PLAIN, VERSION, VERSION_MASK, payload_range
from stream.sources.rtp.picture_headers import pictures_of
from stream.sources.rtp.recovery import Verdict
from stream.sources.rtp.reorder import ReorderBuffer
from stream.sources.rtp.rtcp import ReceptionStatistics
from telemetry.reasons import DiscardReason

MOST_BYTES = 8 << 20
"""The largest picture; a stream without an end to its pictures doesn't grow beyond."""
MOST_NALS = 8192
"""A picture of that size in slices that fill a packet each has 6000."""
MOST_PICTURES_BEGUN = 16
"""In one packet, whose pictures have one timestamp: two are seen in interlaced video."""
FARTHEST_BACK, FARTHEST_AHEAD = 1024, 3000
"""A packet within so many is late, sent twice, or comes behind a gap; from one farther off the sender counts anew."""

_NONE: list[EncodedUnit] = []


class AccessUnits:
    """One a stream. `parameter_sets`: from the session's description. `reorder`: packets may overtake each other.

    `on_discard(reason)` is called for every picture left out: `incomplete`, `awaiting_keyframe`, or `leading` (it
    precedes the point that decoding began at, and refers to what was before).
    """

    def __init__(
        self,
        codec: VideoCodec,
        payload_type: int,
        parameter_sets: Sequence[bytes],
        on_discard: Callable[[DiscardReason], None],
        *,
        reorder: bool,
    ) -> None:
        self._payload_type = payload_type
        self._on_discard = on_discard
        self._reorders = reorder
        self._held = ReorderBuffer()
        self._stranger: bytes | None = None
        self._sets = ParameterSets(codec, parameter_sets)
        self._pictures = pictures_of(codec, self._sets)
        self._buffer = self._pictures.buffer
        self._recovery = self._pictures.recovery
        self.statistics = ReceptionStatistics()
        self.parameters: VideoParameters | None = self._sets.video()
        """Of the SPS in use; before the first keyframe, of the description's first."""
        self.awaiting_since_ns: int | None = None
        """Pictures come since, and none can be shown: decoding can't begin, or what is decoded isn't right yet."""
        self._now_ns = 0
        self._ssrc: int | None = None
        self._expected = 0
        """The next sequence number."""
        self._timestamp = 0
        self._begin_picture()
        self._broken = False
        """The picture lacks a part: what comes of it is passed over."""
        self._behind_gap = True
        """What comes next may lack its beginning."""
        self._closed = False
        """A picture of this timestamp was given out."""
        self._markers_right = self._markers_wrong = False
        self._sets_come = False
        """The stream brings parameter sets itself."""
        self._sets_come_seldom = False
        """Though not with every keyframe."""

    def _begin_picture(self) -> None:
        self._looked_at = 0
        """NAL units of the buffer."""
        self._first_slice: int | None = None
        """Its index; None before it came."""
        self._next_begins: int | None = None
        """Index of the first NAL unit behind the slices that belongs to the next picture, if no more slices come."""
        self._marked = False
        """A packet with slices was marked, and the picture isn't closed yet."""
        self._unmarked_seen = False

    @property
    def parameter_sets(self) -> bytes:
        """Annex B: the latest, the description's until the stream brings its own."""
        return self._sets.annex_b

    @property
    def closes_on(self) -> Literal["marker", "timestamp"]:
        """What ends a picture now. The timestamp, until markers have proved right, and for good if they are wrong."""
        return "marker" if self._markers_right and not self._markers_wrong else "timestamp"

    @property
    def waits(self) -> bool:
        """Packets are held back for one that is missing: call `due`."""
        return len(self._held) > 0

    @property
    def awaiting(self) -> bool:
        """Nothing is given until decoding can begin anew."""
        return self._recovery.awaiting

    def need_recovery(self) -> None:
        """The decoder failed, or lacks a unit: nothing more until decoding can begin anew."""
        self._recovery.lose()

    def add(self, packet: memoryview, now_ns: int) -> list[EncodedUnit]:
        """The pictures that this packet, header and all, makes whole; the list isn't the caller's to change.

        Raises `UnsupportedStreamError` for a packetisation that we don't do.
        """
        if len(packet) < HEADER_BYTES:
            return _NONE
        first, second, sequence, timestamp, ssrc = FIXED_HEADER.unpack_from(packet)
        if second & ~MARKER != self._payload_type or first & VERSION_MASK != VERSION:
            return _NONE
        self._now_ns = now_ns
        if sequence != self._expected or ssrc != self._ssrc:
            return self._add_unexpected(packet, sequence, timestamp, ssrc)
        self.statistics.received(sequence, timestamp, now_ns)
        self._expected = (sequence + 1) & 0xFFFF
        units = self._take(packet, first, second, timestamp)
        return self._take_held(units) if self._held else units

    def due(self, now_ns: int) -> list[EncodedUnit]:
        """Give up what has been missing for too long; the pictures that are whole without it."""
        self._now_ns = now_ns
        units = _NONE
        while self._held.overdue(now_ns):
            units = self._skip_gap(units)
        return units

    def _add_unexpected(self, packet: memoryview, sequence: int, timestamp: int, ssrc: int) -> list[EncodedUnit]:
        """Packets are missing before this one, or it comes late, or twice, or from a sender that begins anew."""
        ahead = (sequence - self._expected) & 0xFFFF
        behind = 0x10000 - ahead
        if ssrc == self._ssrc and behind <= FARTHEST_BACK:
            self.statistics.received(sequence, timestamp, self._now_ns)
            return _NONE
        if ssrc == self._ssrc and ahead < (FARTHEST_AHEAD if self._reorders else 0x8000):
            self.statistics.received(sequence, timestamp, self._now_ns)
            if not self._reorders:
                return self._take_behind_gap(packet, sequence, _NONE)
            self._held.hold(sequence, packet, self._now_ns)
            return self.due(self._now_ns)
        if not self._reorders or self._ssrc is None:
            return self._begin_anew(packet, sequence, ssrc)
        # One packet astray is no new sender; two in sequence are.
        stranger, self._stranger = self._stranger, bytes(packet)
        if stranger is None:
            return _NONE
        _, _, sequence_before, _, ssrc_before = FIXED_HEADER.unpack_from(stranger)
        if ssrc_before != ssrc or (sequence_before + 1) & 0xFFFF != sequence:
            return _NONE
        self._stranger = None
        units = self._begin_anew(memoryview(stranger), sequence_before, ssrc)
        return units + self.add(packet, self._now_ns)

    def _begin_anew(self, packet: memoryview, sequence: int, ssrc: int) -> list[EncodedUnit]:
        units = _NONE
        while self._held:
            units = self._skip_gap(units)
        self.statistics.begin(ssrc, sequence)
        _, _, _, timestamp, _ = FIXED_HEADER.unpack_from(packet)
        self.statistics.received(sequence, timestamp, self._now_ns)
        self._ssrc = ssrc
        return self._take_behind_gap(packet, sequence, units, anew=True)

    def _take_held(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """Take those that have waited for the one before, up to the next gap."""
        while (held := self._held.pop(self._expected)) is not None:
            self._expected = (self._expected + 1) & 0xFFFF
            first, second, _, timestamp, _ = FIXED_HEADER.unpack_from(held)
            units = units + self._take(memoryview(held), first, second, timestamp)
        return units

    def _skip_gap(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        sequence = self._held.first_from(self._expected)
        held = self._held.pop(sequence)
        assert held is not None
        return self._take_held(self._take_behind_gap(memoryview(held), sequence, units))

    def _take_behind_gap(
        self, packet: memoryview, sequence: int, units: list[EncodedUnit], *, anew: bool = False
    ) -> list[EncodedUnit]:
        first, second, _, timestamp, _ = FIXED_HEADER.unpack_from(packet)
        self._expected = (sequence + 1) & 0xFFFF
        self._lose(timestamp, anew)
        return units + self._take(packet, first, second, timestamp)

    def _lose(self, timestamp: int, anew: bool) -> None:
        """Packets are missing before one of this timestamp, or it is of a sender that begins anew."""
        same = timestamp == self._timestamp and not anew
        if same and self._broken:
            return
        if same and self._first_slice is not None and self._pictures.is_disposable(self._first_slice):
            self._pass_over()
            return
        self._recovery.lose()
        if same and self._buffer.nals:
            self._pass_over()
            return
        if self._broken or self._first_slice is not None:
            self._discard(DiscardReason.INCOMPLETE)
        self._broken = False
        self._forget_picture()
        self._behind_gap = True
        self._timestamp = timestamp
        self._closed = False

    def _pass_over(self) -> None:
        """What is there of this picture, and what comes, is of no use but for its parameter sets."""
        self._forget_picture()
        self._broken = True

    def _forget_picture(self) -> None:
        for index in range(len(self._buffer.nals) - self._buffer.unfinished):
            self._keep_parameter_set(index)
        self._buffer.drop(len(self._buffer.nals))
        self._begin_picture()

    def _keep_parameter_set(self, index: int) -> bytes | None:
        if not self._pictures.is_parameter_set(index):
            return None
        nal = self._buffer.nal(index)
        self._sets.add(nal)
        self._sets_come = True
        return nal

    def _take(self, packet: memoryview, first: int, second: int, timestamp: int) -> list[EncodedUnit]:
        """The packet is the next one, but for what was lost."""
        units = self._turn(timestamp) if timestamp != self._timestamp else _NONE
        start, end = (HEADER_BYTES, len(packet)) if first == PLAIN else payload_range(packet)
        if self._broken:
            return units
        if start < end:
            outcome = self._buffer.add(packet, start, end)
            if outcome == BEGUN:
                units = self._look_at_begun(units)
            elif outcome == BROKEN or len(self._buffer.data) > MOST_BYTES:
                self._break()
        if second & MARKER:
            units = self._mark(units)
        elif not self._markers_right:
            self._unmarked_seen = True
        return units

    def _break(self) -> None:
        """What came isn't what a sender that we understand sends."""
        self._pass_over()
        self._recovery.lose()

    def _look_at_begun(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """NAL units began: which picture are they of?"""
        buffer = self._buffer
        begun = 0
        while self._looked_at < len(buffer.nals):
            index = self._looked_at
            kind = buffer.kind(index)
            if kind == NalKind.FIRST_SLICE:
                begun += 1
                if begun > MOST_PICTURES_BEGUN:
                    self._break()
                    return units
                if self._first_slice is None:
                    self._first_slice = index
                elif not self._pictures.is_second_field(self._first_slice, index):
                    # Two pictures with one timestamp.
                    count = index if self._next_begins is None else self._next_begins
                    units = self._close(count, units)
                    continue
                self._next_begins = None
            elif kind == NalKind.SLICE:
                if self._first_slice is None:
                    if self._closed:
                        # The rest of a picture that was given out as whole.
                        self._markers_wrong = True
                    self._break()
                    return units
                self._markers_wrong = self._markers_wrong or self._marked
                self._next_begins = None
            elif kind == NalKind.BEFORE and self._first_slice is not None and self._next_begins is None:
                self._next_begins = index
            self._looked_at += 1
        if len(buffer.nals) > MOST_NALS or len(buffer.data) > MOST_BYTES:
            self._break()
        return units

    def _mark(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """A packet says that it is its picture's last."""
        if self._first_slice is None:
            return units  # parameter sets on their own, or what trails behind a picture
        if self._buffer.unfinished:
            self._markers_wrong = True
        elif self._markers_right and not self._markers_wrong:
            return self._close(len(self._buffer.nals), units)
        else:
            self._marked = True
        return units

    def _turn(self, timestamp: int) -> list[EncodedUnit]:
        """Another timestamp, and nothing lost: what is there is whole."""
        units = _NONE
        if self._broken:
            self._discard(DiscardReason.INCOMPLETE)
            self._broken = self._behind_gap = False
        elif self._buffer.unfinished:
            slices = self._first_slice is not None
            self._forget_picture()
            self._recovery.lose()
            if slices:
                self._discard(DiscardReason.INCOMPLETE)
                self._behind_gap = False
        elif self._first_slice is not None:
            if self._marked and self._unmarked_seen and not self._markers_wrong:
                self._markers_right = True
            count = len(self._buffer.nals) if self._next_begins is None else self._next_begins
            units = self._close(count, units)
        elif self._buffer.nals and all(
            self._buffer.kind(index) == NalKind.AFTER for index in range(len(self._buffer.nals))
        ):
            self._forget_picture()  # what trailed behind a picture that is given already
        self._timestamp = timestamp
        self._closed = False
        self._marked = self._unmarked_seen = False
        return units

    def _close(self, count: int, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """The first `count` NAL units are a whole picture."""
        unit = self._judge(count)
        self._buffer.drop(count)
        self._begin_picture()
        self._behind_gap = False
        self._closed = True
        return units if unit is None else [*units, unit]

    def _judge(self, count: int) -> EncodedUnit | None:
        assert self._first_slice is not None
        first_slice, recovery = self._first_slice, self._recovery
        sets = [nal for index in range(count) if (nal := self._keep_parameter_set(index)) is not None]
        all_sets = self._pictures.has_all_sets(count)
        is_keyframe = self._pictures.is_keyframe(first_slice)
        if is_keyframe and not sets and not self._behind_gap:
            self._sets_come_seldom = True
        awaited = recovery.awaiting
        if awaited and self._behind_gap and self._sets_come and not (all_sets or self._sets_come_seldom):
            # Its parameter sets may be among what is missing, and may be others than before.
            self._discard(DiscardReason.AWAITING_KEYFRAME)
            return None
        verdict = self._pictures.judge(first_slice, count, self._timestamp)
        if verdict is Verdict.LEFT_OUT:
            self._discard(DiscardReason.AWAITING_KEYFRAME if recovery.awaiting else DiscardReason.LEADING)
            return None
        data = bytes(memoryview(self._buffer.data)[: self._buffer.start_code(count)])
        if verdict is Verdict.SHOWN:
            self.awaiting_since_ns = None
        elif self.awaiting_since_ns is None:
            self.awaiting_since_ns = self._now_ns
        if awaited:
            data = self._sets.beside(sets) + data
        if awaited or is_keyframe:
            self.parameters = self._sets.video(self._buffer.nal(first_slice, SLICE_HEADER_BYTES)) or self.parameters
        is_keyframe = is_keyframe or self._pictures.is_recovery_point(count)
        return EncodedUnit(data, self._timestamp, is_keyframe, awaited, verdict is Verdict.SHOWN)

    def _discard(self, reason: DiscardReason) -> None:
        if self._recovery.awaiting and self.awaiting_since_ns is None:
            self.awaiting_since_ns = self._now_ns
        self._on_discard(reason)
