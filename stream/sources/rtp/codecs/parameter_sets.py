"""ParameterSets: the latest VPS, SPS and PPS of one stream by number."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from stream.sources.rtp.codecs import h264_syntax, h265_syntax
from stream.sources.rtp.codecs.bits import MalformedError
from stream.sources.rtp.codecs.video_parameters import VideoCodec, VideoParameters

START_CODE = b"\0\0\0\1"
MAX_BYTES = 4096
"""Larger parameter sets are ignored. Even with all lists they stay below 2 KiB."""

_VIDEO, _SEQUENCE, _PICTURE = range(3)
"""Order in which decoders need them."""
_KINDS: dict[str, dict[int, int]] = {
    "h264": {h264_syntax.SEQUENCE: _SEQUENCE, h264_syntax.PICTURE: _PICTURE},
    "h265": {h265_syntax.VIDEO: _VIDEO, h265_syntax.SEQUENCE: _SEQUENCE, h265_syntax.PICTURE: _PICTURE},
}


class ParameterSets:
    """Parameter sets of one stream. `out_of_band`: NAL units from the session description; invalid ones are ignored."""

    def __init__(self, codec: VideoCodec, out_of_band: Iterable[bytes] = ()) -> None:
        self._codec: VideoCodec = codec
        self._kinds = _KINDS[codec]
        self._raw: dict[tuple[int, int], bytes] = {}
        self._known: frozenset[bytes] = frozenset()
        self.video: VideoParameters | None = None
        """What the latest SPS describes."""
        self.annex_b = b""
        """All parameter sets with start codes, in the order in which decoders need them."""
        for nal in out_of_band:
            if nal := nal.removeprefix(START_CODE).removeprefix(START_CODE[1:]).rstrip(b"\0"):
                self.add(nal)

    @property
    def complete(self) -> bool:
        """Whether there is a set of each kind, without which nothing can be decoded."""
        return {kind for kind, _ in self._raw} == set(self._kinds.values())

    def add(self, nal: bytes) -> None:
        """Add a parameter set from the stream. It is nearly always the same as before."""
        if nal in self._known or len(nal) > MAX_BYTES:
            return
        try:
            self._add(nal)
        except (MalformedError, LookupError):
            return
        self._known = frozenset(self._raw.values())
        self.annex_b = b"".join(START_CODE + self._raw[key] for key in sorted(self._raw))

    def _add(self, nal: bytes) -> None:
        syntax = h264_syntax if self._codec == "h264" else h265_syntax
        kind = self._kinds[syntax.type_of(nal[0])]
        if kind == _VIDEO:
            number = nal[2] >> 4
        elif kind == _SEQUENCE:
            number, self.video = syntax.sequence_parameters(nal)
        else:
            number = syntax.picture_parameters_number(nal)
        self._raw[kind, number] = nal

    def prefix_for(self, present: Collection[bytes]) -> bytes:
        """Return what a picture that contains the sets `present` needs before it: nothing, or all parameter sets."""
        return b"" if self._known.issubset(present) else self.annex_b
