"""From where on pictures may be decoded and shown, after a start or a loss. Pure: pictures' headers in, verdicts out.

What precedes such a point in decoding order is gone. Pictures that refer to it would be smeared, so they are hidden, or
left out where no other picture needs them. Of a recovery point whose pictures are said to be only about right
(exact_match_flag 0) the sender's word is taken.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from stream.sources.rtp.codecs import h265_syntax

LONGEST_REORDER = 16
"""No picture is shown after more than so many that are decoded behind it (the decoded picture buffer's size)."""


class Verdict(Enum):
    """What is to be done with a picture."""

    LEFT_OUT = "left out"
    """It can't be decoded."""
    HIDDEN = "hidden"
    """Others refer to it; it isn't right itself."""
    SHOWN = "shown"


class H264Picture(msgspec.Struct, frozen=True, gc=False):
    """What is looked at of an H.264 picture."""

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
    """What is looked at of an H.265 picture."""

    kind: int
    """NAL unit type."""
    temporal_layer: int
    order_lsb: int
    order_bits: int
    recovery_order: int | None
    """Of its recovery point SEI; None if it has none."""


class H264Recovery:
    """Begins at an IDR picture, or at a recovery point: then pictures are right once so many frames were decoded."""

    def __init__(self) -> None:
        self.awaiting = True
        """Nothing can be decoded until a point to begin at."""
        self.settled = False
        """All that comes is to be shown."""
        self._remaining = 0
        """Frames until the first that is right."""
        self._frame_number = 0
        self._shown_from: int | None = None
        """Timestamp of the first picture that is right."""
        self._behind = 0

    def lose(self) -> None:
        """Something is missing from here on."""
        self.awaiting = True
        self.settled = False
        self._shown_from = None

    def judge(self, picture: H264Picture) -> Verdict:
        """The next picture in decoding order."""
        if picture.instantaneous:
            self.awaiting = False
            self.settled = True
            return Verdict.SHOWN
        if self.settled:
            return Verdict.SHOWN
        if self.awaiting:
            if picture.recovery_frames is None:
                return Verdict.LEFT_OUT
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
        """frame_num goes on by one behind each reference frame, and wraps."""
        step = (picture.frame_number - self._frame_number) & (1 << picture.frame_number_bits) - 1
        if step and not picture.gaps_allowed:
            step = 1  # it began anew within the stream (memory management operation 5)
        self._remaining -= step

    def _by_output_order(self, picture: H264Picture) -> Verdict:
        if self._shown_from is None:
            return Verdict.HIDDEN
        if (picture.timestamp - self._shown_from) & 0xFFFFFFFF < 1 << 31:
            self._behind += 1
            self.settled = self._behind > LONGEST_REORDER
            return Verdict.SHOWN
        # A leading picture. Without others that refer to it there is no need to decode it.
        return Verdict.HIDDEN if picture.reference else Verdict.LEFT_OUT


class H265Recovery:
    """Begins at an IRAP picture, whose RASL pictures are then left out, or at a recovery point given in POC."""

    def __init__(self) -> None:
        self.awaiting = True
        """Nothing can be decoded until a point to begin at."""
        self.settled = False
        """All that comes is to be shown, but for RASL pictures behind a broken link."""
        self._skipping = False
        """The latest IRAP picture's RASL pictures refer to what is gone."""
        self._order = 0
        """POC of the latest picture that others' POC are counted from."""
        self._shown_from: int | None = None
        """The first POC that is right."""
        self._behind = 0

    def lose(self) -> None:
        """Something is missing from here on."""
        self.awaiting = True
        self.settled = False

    def judge(self, picture: H265Picture) -> Verdict:
        """The next picture in decoding order."""
        if self.settled or _is_entry(picture.kind):
            if self.awaiting or self.settled or _is_clean(picture.kind):
                return self.follow(picture.kind)
            self._skipping = False
        elif self.awaiting:
            if picture.recovery_order is None:
                return Verdict.LEFT_OUT
            self.awaiting = self._skipping = False
            self._order = picture.order_lsb
            self._shown_from = self._order + picture.recovery_order
            self._behind = 0
        return self._by_output_order(picture)

    def follow(self, kind: int) -> Verdict:
        """The same, of a picture of which only its type is known, where that is enough.

        It is once `settled`, and of a picture that decoding begins anew with.
        """
        if _is_entry(kind):
            # All that follows and isn't skipped can be decoded.
            self._skipping = self.awaiting or kind <= h265_syntax.LAST_BROKEN_LINK
            self.awaiting = False
            self.settled = True
        elif self._skipping and kind in (h265_syntax.RASL_N, h265_syntax.RASL_R):
            return Verdict.LEFT_OUT
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
            # What follows it in output order is right, whatever was before.
            self._shown_from = min(self._shown_from, order)
        if order < self._shown_from:
            return Verdict.HIDDEN
        self._behind += 1
        self.settled = self._behind > LONGEST_REORDER
        return Verdict.SHOWN


def _is_entry(kind: int) -> bool:
    return h265_syntax.FIRST_ENTRY <= kind <= h265_syntax.LAST_ENTRY


def _is_clean(kind: int) -> bool:
    """Of an IRAP picture: IDR or BLA, behind which nothing refers to what was before."""
    return kind <= h265_syntax.IDR_N_LP
