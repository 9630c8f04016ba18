"""Recovery after a start or a loss: decides from picture headers which pictures may be decoded and shown.

Pictures before the point where decoding begins are lost. Pictures that refer to them would be smeared: they are
hidden, or discarded if no other picture needs them. Recovery points with approximate pictures (exact_match_flag 0) are
trusted.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from stream.sources.rtp.codecs import h265_syntax

MAX_REORDER = 16
"""Size of the decoded picture buffer: at most this many pictures decoded after a picture are shown before it."""


class Verdict(Enum):
    """What to do with a picture."""

    DISCARDED = "discarded"
    """Discard it: it cannot be decoded."""
    HIDDEN = "hidden"
    """Decode only: others refer to it, but it is not correct itself."""
    SHOWN = "shown"


class H264Picture(msgspec.Struct, frozen=True, gc=False):
    """Properties of an H.264 picture that recovery depends on."""

    timestamp: int
    instantaneous: bool
    """IDR."""
    reference: bool
    frame_number: int
    frame_number_bits: int
    gaps_allowed: bool
    recovery_frames: int | None
    """Of its recovery point SEI; None if it has none."""


class H265Picture(msgspec.Struct, frozen=True, gc=False):
    """Properties of an H.265 picture that recovery depends on."""

    kind: int
    """NAL unit type."""
    temporal_layer: int
    order_lsb: int
    order_bits: int
    recovery_order: int | None
    """Of its recovery point SEI; None if it has none."""


class H264Recovery:
    """Begins at an IDR picture, or at a recovery point: then pictures are correct after its number of frames."""

    def __init__(self) -> None:
        self.awaiting = True
        """Nothing can be decoded until a point to begin at."""
        self.settled = False
        """All further pictures are shown."""
        self._remaining = 0
        """Frames until the first correct one."""
        self._frame_number = 0
        self._shown_from: int | None = None
        """Timestamp of the first correct picture."""
        self._behind = 0

    def lose(self) -> None:
        """Begin recovery: units before the next picture were lost."""
        self.awaiting = True
        self.settled = False
        self._shown_from = None

    def judge(self, picture: H264Picture) -> Verdict:
        """Return the verdict on the next picture in decoding order."""
        if picture.instantaneous:
            self.awaiting = False
            self.settled = True
            return Verdict.SHOWN
        if self.settled:
            return Verdict.SHOWN
        if self.awaiting:
            if picture.recovery_frames is None:
                return Verdict.DISCARDED
            self.awaiting = False
            self._remaining = picture.recovery_frames
            self._shown_from = None
            self._behind = 0
        else:
            self._count(picture)
            if picture.recovery_frames is not None and self._shown_from is None:
                self._remaining = min(self._remaining, picture.recovery_frames)
        self._frame_number = picture.frame_number
        if self._shown_from is None and self._remaining <= 0 and picture.reference:
            self._shown_from = picture.timestamp
        return self._by_output_order(picture)

    def _count(self, picture: H264Picture) -> None:
        """Count frames by frame_num, which grows by one after each reference frame, and wraps."""
        step = (picture.frame_number - self._frame_number) & (1 << picture.frame_number_bits) - 1
        if step and not picture.gaps_allowed:
            step = 1  # it restarted within the stream (memory management operation 5)
        self._remaining -= step

    def _by_output_order(self, picture: H264Picture) -> Verdict:
        if self._shown_from is None:
            return Verdict.HIDDEN
        if (picture.timestamp - self._shown_from) & 0xFFFFFFFF < 1 << 31:
            self._behind += 1
            self.settled = self._behind > MAX_REORDER
            return Verdict.SHOWN
        # A leading picture, which needs decoding only if others refer to it.
        return Verdict.HIDDEN if picture.reference else Verdict.DISCARDED


class H265Recovery:
    """Begins at an IRAP picture, whose RASL pictures are then discarded, or at a recovery point given in POC."""

    def __init__(self) -> None:
        self.awaiting = True
        """Nothing can be decoded until a point to begin at."""
        self.settled = False
        """All further pictures are shown, except RASL pictures after a broken link."""
        self._skipping = False
        """The latest IRAP picture's RASL pictures refer to lost pictures."""
        self._order = 0
        """POC of the latest picture that the POC of others is derived from."""
        self._shown_from: int | None = None
        """POC of the first correct picture."""
        self._behind = 0

    def lose(self) -> None:
        """Begin recovery: units before the next picture were lost."""
        self.awaiting = True
        self.settled = False

    def judge(self, picture: H265Picture) -> Verdict:
        """Return the verdict on the next picture in decoding order."""
        if self.settled or _is_entry(picture.kind):
            if self.awaiting or self.settled or _is_clean(picture.kind):
                return self.follow(picture.kind)
            self._skipping = False
        elif self.awaiting:
            if picture.recovery_order is None:
                return Verdict.DISCARDED
            self.awaiting = self._skipping = False
            self._order = picture.order_lsb
            self._shown_from = self._order + picture.recovery_order
            self._behind = 0
        return self._by_output_order(picture)

    def follow(self, kind: int) -> Verdict:
        """Return the verdict on the next picture from its type alone.

        Only for pictures after `settled`, and for the one at which decoding restarts.
        """
        if _is_entry(kind):
            # All following pictures that are not skipped can be decoded.
            self._skipping = self.awaiting or kind <= h265_syntax.LAST_BROKEN_LINK
            self.awaiting = False
            self.settled = True
        elif self._skipping and kind in (h265_syntax.RASL_N, h265_syntax.RASL_R):
            return Verdict.DISCARDED
        return Verdict.SHOWN

    def _by_output_order(self, picture: H265Picture) -> Verdict:
        modulus = 1 << picture.order_bits
        order = self._order + (picture.order_lsb - self._order + modulus // 2) % modulus - modulus // 2
        layers_own = picture.kind <= h265_syntax.LAST_PAIRED and picture.kind % 2 == 0
        leading = h265_syntax.RADL_N <= picture.kind <= h265_syntax.RASL_R
        if picture.temporal_layer == 0 and not layers_own and not leading:
            self._order = order
        assert self._shown_from is not None
        if _is_entry(picture.kind):
            # Pictures that follow it in output order are correct, whatever preceded it.
            self._shown_from = min(self._shown_from, order)
        if order < self._shown_from:
            return Verdict.HIDDEN
        self._behind += 1
        self.settled = self._behind > MAX_REORDER
        return Verdict.SHOWN


def _is_entry(kind: int) -> bool:
    return h265_syntax.FIRST_ENTRY <= kind <= h265_syntax.LAST_ENTRY


def _is_clean(kind: int) -> bool:
    """Return whether an IRAP picture is IDR or BLA: no picture after it refers to one before it."""
    return kind <= h265_syntax.IDR_N_LP
