"""Properties of a NAL buffer's first picture, for recovery and for separating it from the next.

There is one class per codec, so that receiving packets does not depend on the codec.
"""

from __future__ import annotations

from typing import Protocol

from stream.sources.rtp.codecs import h264_syntax, h265_syntax
from stream.sources.rtp.codecs.bits import SLICE_HEADER_BYTES, MalformedError
from stream.sources.rtp.codecs.depacketiser import Depacketiser
from stream.sources.rtp.codecs.h264_depacketiser import H264Depacketiser
from stream.sources.rtp.codecs.h265_depacketiser import H265Depacketiser
from stream.sources.rtp.codecs.parameter_sets import ParameterSets
from stream.sources.rtp.codecs.video_parameters import VideoCodec
from stream.sources.rtp.recovery import H264Picture, H264Recovery, H265Picture, H265Recovery, Verdict


class Pictures(Protocol):
    """Examines the pictures of one codec in its buffer, and decides which can be decoded and shown."""

    @property
    def buffer(self) -> Depacketiser:
        """NAL units of the picture that is being received."""
        ...

    @property
    def recovery(self) -> H264Recovery | H265Recovery:
        """Decides from which picture on decoding is possible."""
        ...

    def is_keyframe(self, slice_index: int) -> bool:
        """Return whether this slice belongs to an IDR or IRAP picture."""
        ...

    def is_recovery_point(self, count: int) -> bool:
        """Return whether the first `count` NAL units contain a recovery point, where decoding may begin."""
        ...

    def is_disposable(self, slice_index: int) -> bool:
        """Return whether certainly no other picture refers to this slice's picture or shares its timestamp."""
        ...

    def is_second_field(self, first_index: int, second_index: int) -> bool:
        """Return whether two first slices belong to the two fields of one frame."""
        ...

    def is_parameter_set(self, index: int) -> bool:
        """Return whether this NAL unit is a VPS, SPS or PPS."""
        ...

    def has_all_sets(self, count: int) -> bool:
        """Return whether the first `count` NAL units contain SPS and PPS, so that no parameter set is lost."""
        ...

    def judge(self, slice_index: int, count: int, timestamp: int) -> Verdict:
        """Return the verdict on the picture in the first `count` NAL units, whose first slice is at `slice_index`."""
        ...


class H264Pictures:
    """See `Pictures`."""

    def __init__(self, sets: ParameterSets) -> None:
        self.buffer = H264Depacketiser()
        self.recovery = H264Recovery()
        self._sets = sets

    def is_keyframe(self, slice_index: int) -> bool:
        """See `Pictures`."""
        return self._type(slice_index) == h264_syntax.INTRA

    def is_recovery_point(self, count: int) -> bool:
        """See `Pictures`."""
        return self._recovery_frames(count) is not None

    def is_parameter_set(self, index: int) -> bool:
        """See `Pictures`."""
        return self._type(index) in (h264_syntax.SEQUENCE, h264_syntax.PICTURE)

    def has_all_sets(self, count: int) -> bool:
        """See `Pictures`."""
        kinds = {self._type(index) for index in range(count)}
        return h264_syntax.SEQUENCE in kinds and h264_syntax.PICTURE in kinds

    def _type(self, index: int) -> int:
        return h264_syntax.type_of(self.buffer.data[self.buffer.nals[index]])

    def _is_reference(self, index: int) -> bool:
        return self.buffer.data[self.buffer.nals[index]] & h264_syntax.REFERENCE != 0

    def is_disposable(self, slice_index: int) -> bool:
        """See `Pictures`. A field is never disposable: the other field with its timestamp may be referred to."""
        if self._is_reference(slice_index):
            return False
        found = self._header(slice_index)
        return found is not None and not found[0].field

    def is_second_field(self, first_index: int, second_index: int) -> bool:
        """See `Pictures`."""
        first, second = self._header(first_index), self._header(second_index)
        if first is None or second is None:
            return False
        return {first[0].field, second[0].field} == {1, 2} and first[0].frame_number == second[0].frame_number

    def _head(self, index: int) -> bytes:
        return self.buffer.nal(index, SLICE_HEADER_BYTES)

    def _header(self, index: int) -> tuple[h264_syntax.SliceHeader, h264_syntax.SequenceParameters] | None:
        head = self._head(index)
        found = self._sets.of(head)
        if found is None or not isinstance(found[1], h264_syntax.SequenceParameters):
            return None
        try:
            return h264_syntax.slice_header(head, found[1]), found[1]
        except MalformedError:
            return None

    def judge(self, slice_index: int, count: int, timestamp: int) -> Verdict:
        """See `Pictures`."""
        if self.recovery.settled:
            return Verdict.SHOWN
        found = self._header(slice_index)
        if found is None:
            self.recovery.lose()
            return Verdict.DISCARDED
        header, sequence = found
        return self.recovery.judge(
            H264Picture(
                timestamp,
                self.is_keyframe(slice_index),
                self._is_reference(slice_index),
                header.frame_number,
                sequence.frame_number_bits,
                sequence.gaps_allowed,
                self._recovery_frames(count),
            )
        )

    def _recovery_frames(self, count: int) -> int | None:
        """Return recovery_frame_cnt of the recovery point SEI in the first `count` NAL units, or None."""
        for index in range(count):
            if self._type(index) == h264_syntax.SUPPLEMENT:
                frames = h264_syntax.recovery_frame_count(self.buffer.nal(index))
                if frames is not None:
                    return frames
        return None


class H265Pictures:
    """See `Pictures`."""

    def __init__(self, sets: ParameterSets) -> None:
        self.buffer = H265Depacketiser()
        self.recovery = H265Recovery()
        self._sets = sets

    def is_keyframe(self, slice_index: int) -> bool:
        """See `Pictures`."""
        return h265_syntax.FIRST_ENTRY <= self._type(slice_index) <= h265_syntax.LAST_ENTRY

    def is_recovery_point(self, count: int) -> bool:
        """See `Pictures`. FFmpeg does not begin decoding at recovery points of H.265."""
        return False

    def is_parameter_set(self, index: int) -> bool:
        """See `Pictures`."""
        kind = self._type(index)
        return h265_syntax.VIDEO <= kind <= h265_syntax.PICTURE and self.buffer.layer(index) == 0

    def has_all_sets(self, count: int) -> bool:
        """See `Pictures`."""
        kinds = {self._type(index) for index in range(count) if self.buffer.layer(index) == 0}
        return h265_syntax.SEQUENCE in kinds and h265_syntax.PICTURE in kinds

    def _type(self, index: int) -> int:
        return h265_syntax.type_of(self.buffer.data[self.buffer.nals[index]])

    def _temporal_layer(self, index: int) -> int:
        return (self.buffer.data[self.buffer.nals[index] + 1] & 7) - 1

    def is_disposable(self, slice_index: int) -> bool:
        """See `Pictures`. Pictures of higher temporal layers may refer to it."""
        kind = self._type(slice_index)
        if kind > h265_syntax.LAST_PAIRED or kind % 2:
            return False
        found = self._header(slice_index)
        if found is None:
            return False
        return self._temporal_layer(slice_index) >= found[1].layers - 1

    def is_second_field(self, first_index: int, second_index: int) -> bool:
        """See `Pictures`. In H.265, fields are ordinary pictures."""
        return False

    def _head(self, index: int) -> bytes:
        return self.buffer.nal(index, SLICE_HEADER_BYTES)

    def _header(self, index: int) -> tuple[h265_syntax.SliceHeader, h265_syntax.SequenceParameters] | None:
        head = self._head(index)
        found = self._sets.of(head)
        if found is None:
            return None
        picture, sequence = found
        assert isinstance(picture, h265_syntax.PictureParameters)
        assert isinstance(sequence, h265_syntax.SequenceParameters)
        try:
            return h265_syntax.slice_header(head, picture, sequence), sequence
        except MalformedError:
            return None

    def judge(self, slice_index: int, count: int, timestamp: int) -> Verdict:
        """See `Pictures`. `timestamp` is not used: H.265 pictures contain their output order."""
        if self.recovery.settled:
            return self.recovery.follow(self._type(slice_index))
        found = self._header(slice_index)
        if found is None:
            self.recovery.lose()
            return Verdict.DISCARDED
        header, sequence = found
        order = None
        if self.recovery.awaiting:
            for index in range(count):
                if order is None and self._type(index) == h265_syntax.SUPPLEMENT and self.buffer.layer(index) == 0:
                    order = h265_syntax.recovery_order_count(self.buffer.nal(index))
        return self.recovery.judge(
            H265Picture(
                self._type(slice_index),
                self._temporal_layer(slice_index),
                header.order_lsb,
                sequence.order_bits,
                order,
            )
        )


def pictures_of(codec: VideoCodec, sets: ParameterSets) -> Pictures:
    """Return the `Pictures` of a stream of this codec with these parameter sets."""
    return H264Pictures(sets) if codec == "h264" else H265Pictures(sets)
