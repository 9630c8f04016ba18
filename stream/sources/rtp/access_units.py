"""AccessUnits: assembles the RTP packets of one video stream into complete access units. Time is an argument.

A picture is complete with its last packet, which has the marker bit: one frame interval before the next one begins.
Broken pictures are never returned. The first one after a loss says so, and libavcodec, flushed before it, withholds
pictures until they are correct again. If no other picture refers to the broken one, decoding simply goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from stream.sources.rtp.depacketisers import BEGUN, BROKEN, MOST_BEFORE, NalKind, depacketiser_of
from stream.sources.rtp.packets import (
    FIXED_HEADER,
    HEADER_BYTES,
    MARKER,
    PLAIN,
    VERSION,
    VERSION_MASK,
    EncodedUnit,
    ReorderBuffer,
    VideoCodec,
    payload_range,
)
from stream.sources.rtp.parameter_sets import ParameterSets
from stream.sources.rtp.rtcp import ReceptionStatistics
from telemetry.reasons import DiscardReason

MAX_BYTES = 8 << 20
"""Size limit of a picture, for streams that never end one."""
MAX_NALS = 8192
"""A picture of the largest size in slices of one packet each has 6000."""
MAX_PICTURES_BEGUN = 16
"""Pictures that begin in one packet, and so share a timestamp: interlaced video has two."""
MAX_BEHIND, MAX_AHEAD = 1024, 3000
"""Within these distances of the expected sequence number, a packet is late, repeated, or follows a gap. A packet
farther away means that the sender restarted its numbering."""

_NONE: list[EncodedUnit] = []


class AccessUnits:
    """The access units of one stream.

    `parameter_sets`: from the session description. `reorder`: packets may overtake each other. `on_discard(reason)` is
    called for every discarded picture: `incomplete`, or `awaiting_keyframe` (its parameter sets are unknown).
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
        self._stray: bytes | None = None
        self._sets = ParameterSets(codec, parameter_sets)
        self._buffer = depacketiser_of(codec)
        self.statistics = ReceptionStatistics()
        self._now_ns = 0
        self._ssrc: int | None = None
        self._expected = 0
        """The next sequence number."""
        self._timestamp = 0
        self._begin_picture()
        self._broken = False
        """The current picture lacks a part: the rest of it is ignored."""
        self._after_gap = True
        """The next picture may lack its beginning."""
        self._lost = True
        """Pictures before the next one were lost that it may refer to."""
        self._closed = False
        """A picture with this timestamp was returned already."""
        self._markers_reliable = self._markers_wrong = False
        self._has_sets = False
        """The stream contains parameter sets."""
        self._keyframes_lack_sets = False
        """Some keyframes come without parameter sets."""

    def _begin_picture(self) -> None:
        self._examined = 0
        """Number of NAL units of the buffer that were examined."""
        self._first_slice: int | None = None
        """Index of the picture's first slice; None before it arrives."""
        self._next_begins: int | None = None
        """Index of the first NAL unit after the slices that belongs to the next picture, unless more slices follow."""
        self._marked = False
        """A packet with slices had the marker, and the picture is not closed yet."""
        self._unmarked_seen = False

    @property
    def parameter_sets(self) -> bytes:
        """The latest parameter sets, Annex B; from the session description until the stream contains some."""
        return self._sets.annex_b

    @property
    def closes_on(self) -> Literal["marker", "timestamp"]:
        """What ends a picture: the timestamp until markers prove reliable, and permanently if they prove wrong."""
        return "marker" if self._markers_reliable and not self._markers_wrong else "timestamp"

    @property
    def waits(self) -> bool:
        """Whether packets are held back for a missing one: call `due`."""
        return len(self._held) > 0

    def need_restart(self) -> None:
        """The decoder will not get a picture that was returned."""
        self._lost = True

    def add(self, packet: memoryview, now_ns: int) -> list[EncodedUnit]:
        """Add a packet with its header, and return the pictures that it completes. Do not change the list.

        Raises `UnsupportedStreamError` for unsupported packetisations.
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
        units = self._process(packet, first, second, timestamp)
        return self._process_held(units) if self._held else units

    def due(self, now_ns: int) -> list[EncodedUnit]:
        """Give up packets that are missing for too long, and return the pictures that are complete without them."""
        self._now_ns = now_ns
        units = _NONE
        while self._held.overdue(now_ns):
            units = self._skip_gap(units)
        return units

    def _add_unexpected(self, packet: memoryview, sequence: int, timestamp: int, ssrc: int) -> list[EncodedUnit]:
        """Add a packet that follows a gap, is late or repeated, or comes from a sender that restarted."""
        ahead = (sequence - self._expected) & 0xFFFF
        behind = 0x10000 - ahead
        if ssrc == self._ssrc and behind <= MAX_BEHIND:
            self.statistics.received(sequence, timestamp, self._now_ns)
            return _NONE
        if ssrc == self._ssrc and ahead < (MAX_AHEAD if self._reorders else 0x8000):
            self.statistics.received(sequence, timestamp, self._now_ns)
            if not self._reorders:
                return self._process_after_gap(packet, sequence, _NONE)
            self._held.hold(sequence, packet, self._now_ns)
            return self.due(self._now_ns)
        if not self._reorders or self._ssrc is None:
            return self._restart(packet, sequence, ssrc)
        # A single stray packet is not a new sender; two in sequence are.
        stray, self._stray = self._stray, bytes(packet)
        if stray is None:
            return _NONE
        _, _, sequence_before, _, ssrc_before = FIXED_HEADER.unpack_from(stray)
        if ssrc_before != ssrc or (sequence_before + 1) & 0xFFFF != sequence:
            return _NONE
        self._stray = None
        units = self._restart(memoryview(stray), sequence_before, ssrc)
        return units + self.add(packet, self._now_ns)

    def _restart(self, packet: memoryview, sequence: int, ssrc: int) -> list[EncodedUnit]:
        units = _NONE
        while self._held:
            units = self._skip_gap(units)
        self.statistics.begin(ssrc, sequence)
        _, _, _, timestamp, _ = FIXED_HEADER.unpack_from(packet)
        self.statistics.received(sequence, timestamp, self._now_ns)
        self._ssrc = ssrc
        return self._process_after_gap(packet, sequence, units, new_sender=True)

    def _process_held(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """Process held packets up to the next gap."""
        while (held := self._held.pop(self._expected)) is not None:
            self._expected = (self._expected + 1) & 0xFFFF
            first, second, _, timestamp, _ = FIXED_HEADER.unpack_from(held)
            units = units + self._process(memoryview(held), first, second, timestamp)
        return units

    def _skip_gap(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        sequence = self._held.first_from(self._expected)
        held = self._held.pop(sequence)
        assert held is not None
        return self._process_held(self._process_after_gap(memoryview(held), sequence, units))

    def _process_after_gap(
        self, packet: memoryview, sequence: int, units: list[EncodedUnit], *, new_sender: bool = False
    ) -> list[EncodedUnit]:
        first, second, _, timestamp, _ = FIXED_HEADER.unpack_from(packet)
        self._expected = (sequence + 1) & 0xFFFF
        self._lose(timestamp, new_sender)
        return units + self._process(packet, first, second, timestamp)

    def _lose(self, timestamp: int, new_sender: bool) -> None:
        """Handle packets that are missing before one with this timestamp, or a sender that restarted."""
        same = timestamp == self._timestamp and not new_sender
        if same and self._broken:
            return
        # A field may be disposable while the other one, which was returned, is not.
        first = self._first_slice if same and not self._closed else None
        if first is not None and self._buffer.is_disposable(first, self._sets.layers):
            self._ignore_rest()
            return
        self._lost = True
        if same and self._buffer.nals:
            self._ignore_rest()
            return
        if self._broken or self._first_slice is not None:
            self._on_discard(DiscardReason.INCOMPLETE)
        self._broken = False
        self._forget_picture()
        self._after_gap = True
        self._timestamp = timestamp
        self._closed = False

    def _ignore_rest(self) -> None:
        """Ignore this picture, including the part still to come, except for its parameter sets."""
        self._forget_picture()
        self._broken = True

    def _forget_picture(self) -> None:
        for index in range(len(self._buffer.nals) - self._buffer.unfinished):
            self._keep_parameter_set(index)
        self._buffer.drop(len(self._buffer.nals))
        self._begin_picture()

    def _keep_parameter_set(self, index: int) -> bytes | None:
        if not self._buffer.is_parameter_set(index):
            return None
        nal = self._buffer.nal(index)
        self._sets.add(nal)
        self._has_sets = True
        return nal

    def _process(self, packet: memoryview, first: int, second: int, timestamp: int) -> list[EncodedUnit]:
        """Process the next packet that was not lost."""
        units = self._handle_timestamp(timestamp) if timestamp != self._timestamp else _NONE
        start, end = (HEADER_BYTES, len(packet)) if first == PLAIN else payload_range(packet)
        if self._broken:
            return units
        if start < end:
            outcome = self._buffer.add(packet, start, end)
            if outcome == BEGUN:
                units = self._examine_begun(units)
            elif outcome == BROKEN or len(self._buffer.data) > MAX_BYTES:
                self._discard_picture()
        if second & MARKER:
            units = self._mark(units)
        elif not self._markers_reliable:
            self._unmarked_seen = True
        return units

    def _discard_picture(self) -> None:
        """Ignore this picture because its packets are invalid."""
        self._ignore_rest()
        self._lost = True

    def _examine_begun(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """Assign NAL units that began to the current or the next picture."""
        buffer = self._buffer
        begun = 0
        while self._examined < len(buffer.nals):
            index = self._examined
            kind = buffer.kind(index)
            if kind == NalKind.FIRST_SLICE:
                begun += 1
                if begun > MAX_PICTURES_BEGUN:
                    self._discard_picture()
                    return units
                if self._first_slice is not None:
                    # Two pictures, or fields of one, with one timestamp.
                    count = index if self._next_begins is None else self._next_begins
                    units = self._close(count, units)
                    continue
                self._first_slice = index
            elif kind == NalKind.SLICE:
                if self._first_slice is None:
                    if self._closed:
                        # The rest of a picture that was returned as complete.
                        self._markers_wrong = True
                    self._discard_picture()
                    return units
                self._markers_wrong = self._markers_wrong or self._marked
                self._next_begins = None
            elif kind == NalKind.BEFORE and self._first_slice is not None and self._next_begins is None:
                self._next_begins = index
            self._examined += 1
        if len(buffer.nals) > MAX_NALS or len(buffer.data) > MAX_BYTES:
            self._discard_picture()
        return units

    def _mark(self, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """Handle a marker: the packet claims to be its picture's last."""
        if self._first_slice is None:
            return units  # parameter sets without slices, or NAL units that trail a picture
        if self._buffer.unfinished:
            self._markers_wrong = True
        elif self._markers_reliable and not self._markers_wrong:
            return self._close(len(self._buffer.nals), units)
        else:
            self._marked = True
        return units

    def _handle_timestamp(self, timestamp: int) -> list[EncodedUnit]:
        """Handle a new timestamp without loss: the current picture is complete."""
        units = _NONE
        if self._broken:
            self._on_discard(DiscardReason.INCOMPLETE)
            self._broken = self._after_gap = False
        elif self._buffer.unfinished:
            slices = self._first_slice is not None
            self._forget_picture()
            self._lost = True
            if slices:
                self._on_discard(DiscardReason.INCOMPLETE)
                self._after_gap = False
        elif self._first_slice is not None:
            if self._marked and self._unmarked_seen and not self._markers_wrong:
                self._markers_reliable = True
            count = len(self._buffer.nals) if self._next_begins is None else self._next_begins
            units = self._close(count, units)
        elif (before := len(self._buffer.nals)) > MOST_BEFORE or (
            before and all(self._buffer.kind(index) == NalKind.AFTER for index in range(before))
        ):
            self._forget_picture()  # NAL units that trailed a picture that was returned already, or no picture's
        self._timestamp = timestamp
        self._closed = False
        self._marked = self._unmarked_seen = False
        return units

    def _close(self, count: int, units: list[EncodedUnit]) -> list[EncodedUnit]:
        """Close the picture that consists of the first `count` NAL units."""
        unit = self._make_unit(count)
        self._buffer.drop(count)
        self._begin_picture()
        self._after_gap = False
        self._closed = True
        return units if unit is None else [*units, unit]

    def _make_unit(self, count: int) -> EncodedUnit | None:
        assert self._first_slice is not None
        sets = [nal for index in range(count) if (nal := self._keep_parameter_set(index)) is not None]
        is_keyframe = self._buffer.is_keyframe(self._first_slice) or self._buffer.has_recovery_point(count)
        if is_keyframe and not sets and not self._after_gap:
            self._keyframes_lack_sets = True
        if self._lost:
            if not self._sets.complete:
                self._on_discard(DiscardReason.AWAITING_KEYFRAME)
                return None
            in_stream = self._has_sets and not self._keyframes_lack_sets
            if is_keyframe and self._after_gap and in_stream and not self._buffer.has_all_sets(count):
                # Its parameter sets may be lost, and may differ from those before.
                self._on_discard(DiscardReason.INCOMPLETE)
                return None
        restart, self._lost = self._lost, False
        data = bytes(memoryview(self._buffer.data)[: self._buffer.start_code(count)])
        if restart:
            data = self._sets.prefix_for(sets) + data
        return EncodedUnit(data, self._timestamp, is_keyframe, restart)
