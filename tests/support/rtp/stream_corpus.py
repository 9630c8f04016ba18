"""Small real streams for the RTP tests, encoded by x264 and x265 in PyAV when first used in a process.

Each picture has its number (`benchmarks.cameras.barcode`) over moving blocks, so that all pictures of a stream differ,
and a picture whose reference is missing is visibly damaged.
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext

from benchmarks.cameras import barcode
from benchmarks.cameras.rtsp_server import UNIT_HEADER
from ring_buffers.slot_writers import visible
from support.rtp.nal_units import FFMPEG_NAMES, PARAMETER_SETS, Codec, annex_b, nal_type, nal_units

RTP_CLOCK = 90_000
TICK = Fraction(1, RTP_CLOCK)
RECOVERY_POINT = 6
"""An SEI message's type, in both codecs."""
_ENCODERS: dict[Codec, str] = {"h264": "libx264", "h265": "libx265"}


@dataclass(frozen=True)
class Section:
    """A part of a stream from one encoder. Parameter sets change where the next section begins."""

    encoder_options: str
    size: tuple[int, int] = (160, 120)
    pictures: int = 50
    profile: str = ""
    pixels: str = "yuv420p"


@dataclass(frozen=True)
class Recipe:
    """How a stream is made. `steps`: ticks between pictures, repeated.

    `recovers_after`: number of pictures from repeated parameter sets to the first complete picture, written into SEI
    messages, which x265 does not write. `filler`: bytes of filler data after each H.264 picture.
    """

    codec: Codec
    sections: tuple[Section, ...]
    steps: tuple[int, ...] = (RTP_CLOCK // 25,)
    in_band: bool = True
    recovers_after: int | None = None
    filler: int = 0


@dataclass(frozen=True)
class CodedPicture:
    """An access unit (Annex B), in decoding order. Times are ticks of 1/90000 s from the first picture."""

    pts: int
    dts: int
    is_keyframe: bool
    data: bytes


@dataclass(frozen=True)
class ShownPicture:
    """A decoded picture, in the order of presentation. `digest`: by `digest_of`."""

    number: int
    pts: int
    size: tuple[int, int]
    pixels: str
    digest: int


@dataclass(frozen=True)
class CorpusStream:
    """An encoded stream. `parameter_sets`: its first ones, without start codes, even if not `in_band`."""

    name: str
    codec: Codec
    units: tuple[CodedPicture, ...]
    parameter_sets: tuple[bytes, ...]
    in_band: bool
    duration: int

    @functools.cached_property
    def shown(self) -> tuple[ShownPicture, ...]:
        """The pictures that FFmpeg decodes from the complete stream."""
        decoder = av.CodecContext.create(FFMPEG_NAMES[self.codec], "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        decoder.extradata = annex_b(self.parameter_sets)
        frames: list[av.VideoFrame] = []
        for unit in self.units:
            frames += decoder.decode(_packet(unit))
        frames += decoder.decode(None)
        return tuple(
            ShownPicture(
                number=barcode.read(luma_of(frame)),
                pts=frame.pts if frame.pts is not None else -1,
                size=(frame.width, frame.height),
                pixels=frame.format.name,
                digest=digest_of(frame),
            )
            for frame in frames
        )

    def write_units(self, to: Path) -> Path:
        """Write a file that `benchmarks.cameras.rtsp_server.RtspServer` sends unchanged, and return its path."""

        def ns(ticks: int) -> int:
            return ticks * 1_000_000_000 // RTP_CLOCK

        head = {"codec": FFMPEG_NAMES[self.codec], "duration_ns": ns(self.duration)}
        if not self.in_band:
            head["codec_data"] = self._codec_data().hex()
        with to.open("wb") as out:
            out.write(json.dumps(head).encode() + b"\n")
            for unit in self.units:
                times = ns(unit.pts), max(0, ns(unit.dts))
                out.write(UNIT_HEADER.pack(*times, len(unit.data), unit.is_keyframe) + unit.data)
        return to

    def write_container(self, to: Path, times: int = 1) -> Path:
        """Write a video file with the stream `times` times, and return its path. Its name determines the container."""
        with av.open(str(to), "w") as container:
            self._mux(container, times)
        return to

    def _mux(self, container: OutputContainer, times: int) -> None:
        raw = io.BytesIO(annex_b(self.parameter_sets) + b"".join(unit.data for unit in self.units))
        with av.open(raw, format=FFMPEG_NAMES[self.codec]) as parsed:
            stream = container.add_stream_from_template(parsed.streams.video[0])
        stream.time_base = TICK
        for turn in range(times):
            for unit in self.units:
                packet = _packet(unit)
                packet.pts = unit.pts + turn * self.duration
                packet.dts = unit.dts + turn * self.duration
                packet.stream = stream
                container.mux(packet)

    def _codec_data(self) -> bytes:
        """Return the parameter sets as in MP4 (avcC, hvcC)."""
        file = io.BytesIO()
        with av.open(file, "w", format="mp4") as container:
            self._mux(container, 1)
        file.seek(0)
        with av.open(file) as container:
            return container.streams.video[0].codec_context.extradata or b""


def names(codec: Codec | None = None) -> list[str]:
    """Return the names of all streams, or of those of one codec."""
    return [name for name, recipe in _RECIPES.items() if codec in (None, recipe.codec)]


@functools.cache
def corpus_stream(name: str) -> CorpusStream:
    """Return the stream of this name; it is encoded the first time."""
    recipe = _RECIPES[name]
    steps = itertools.cycle(recipe.steps)
    at = 0
    units: list[CodedPicture] = []
    number = 0
    for section in recipe.sections:
        times = [at]
        for _ in range(section.pictures):
            times.append(times[-1] + next(steps))
        units += _encode(recipe.codec, section, times[:-1], number)
        number += section.pictures
        at = times[-1]
    kinds = PARAMETER_SETS[recipe.codec]
    sets = tuple(nal for nal in nal_units(units[0].data) if nal_type(recipe.codec, nal) in kinds)
    if recipe.recovers_after is not None:
        units = [_with_recovery_point(unit, recipe.recovers_after) for unit in units]
    if recipe.filler:
        filler = annex_b([b"\x0c" + b"\xff" * recipe.filler + b"\x80"])
        units = [replace(unit, data=unit.data + filler) for unit in units]
    if not recipe.in_band:
        units = [_without(recipe.codec, unit, kinds) for unit in units]
    return CorpusStream(name, recipe.codec, tuple(units), sets, recipe.in_band, at)


def luma_of(frame: av.VideoFrame) -> np.ndarray:
    """Return a picture's luma as 8-bit samples `[height, width]`, without padding."""
    bits = frame.format.components[0].bits
    if bits == 8:
        return visible(frame.planes[0])
    low_and_high = visible(frame.planes[0], 2).astype(np.uint16)
    return (low_and_high[..., 0] + (low_and_high[..., 1] << 8) >> bits - 8).astype(np.uint8)


def digest_of(frame: av.VideoFrame) -> int:
    """Return the CRC-32 of the visible part of a picture's planes, in the order of a ring's slot."""
    bytes_a_sample = (frame.format.components[0].bits + 7) // 8
    digest = 0
    for plane in frame.planes:
        digest = zlib.crc32(visible(plane, bytes_a_sample).tobytes(), digest)
    return digest


# -- encoding -------------------------------------------------------------------------------------------------------


def _encode(codec: Codec, section: Section, times: Sequence[int], first_number: int) -> list[CodedPicture]:
    encoder = av.CodecContext.create(_ENCODERS[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height = section.size
    encoder.pix_fmt = section.pixels
    encoder.time_base, encoder.framerate = TICK, Fraction(25)
    options = {"preset": "ultrafast" if codec == "h265" else "veryfast", "crf": "24"}
    if codec == "h265":
        options["x265-params"] = f"log-level=none:pools=1:frame-threads=1:{section.encoder_options}"
    else:
        options["x264-params"] = f"threads=1:scenecut=0:rc-lookahead=0:sync-lookahead=0:{section.encoder_options}"
    if section.profile:
        options["profile"] = section.profile
    encoder.options = options
    paint = _painter(section.size)
    packets: list[av.Packet] = []
    for number, pts in enumerate(times, first_number):
        frame = av.VideoFrame.from_ndarray(paint(number), "yuv420p")
        if section.pixels != "yuv420p":
            frame = frame.reformat(format=section.pixels)
        frame.pts, frame.time_base = pts, TICK
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [CodedPicture(p.pts or 0, p.dts or 0, p.is_keyframe, bytes(p)) for p in packets]


def _painter(size: tuple[int, int]) -> Callable[[int], np.ndarray]:
    """Return a function that draws the picture of a number: yuv420p, `[height * 3 / 2, width]`."""
    width, height = size
    cell = max(8, width // 16)
    rng = np.random.default_rng(width)
    blocks = rng.integers(40, 200, (height // cell + 1, width // cell + 1), np.uint8)
    blocks = np.kron(blocks, np.ones((cell, cell), np.uint8))[:height, :width]

    def paint(number: int) -> np.ndarray:
        luma = np.roll(blocks, number * 2, axis=1)
        barcode.draw(luma, number)
        chroma = np.roll(blocks[::2, ::2], -number, axis=1)
        return np.concatenate([luma.ravel(), chroma.ravel(), 255 - chroma.ravel()]).reshape(-1, width)

    return paint


def _without(codec: Codec, unit: CodedPicture, kinds: frozenset[int]) -> CodedPicture:
    kept = [nal for nal in nal_units(unit.data) if nal_type(codec, nal) not in kinds]
    return replace(unit, data=annex_b(kept))


def _with_recovery_point(unit: CodedPicture, recovery_poc_cnt: int) -> CodedPicture:
    """Add a recovery point SEI (exact match) before the slice of an H.265 unit with parameter sets."""
    *before, last = nal_units(unit.data)
    if not before:
        return unit
    code = 2 * recovery_poc_cnt  # se(v) of a positive number, as ue(v) + 1
    bits = "0" * (code.bit_length() - 1) + f"{code:b}" + "10" + "1"
    payload = int(bits.ljust((len(bits) + 7) // 8 * 8, "0"), 2).to_bytes((len(bits) + 7) // 8, "big")
    sei = bytes([39 << 1, 1, RECOVERY_POINT, len(payload)]) + payload + b"\x80"
    return replace(unit, data=annex_b([*before, sei, last]))


def _packet(unit: CodedPicture) -> av.Packet:
    packet = av.Packet(unit.data)
    packet.pts, packet.dts, packet.time_base, packet.is_keyframe = unit.pts, unit.dts, TICK, unit.is_keyframe
    return packet


def _h264(options: str, **section: object) -> Recipe:
    return Recipe("h264", (Section(options, **section),))  # pyright: ignore[reportArgumentType]


def _h265(options: str, **section: object) -> Recipe:
    return Recipe("h265", (Section(options, **section),))  # pyright: ignore[reportArgumentType]


_RECIPES: dict[str, Recipe] = {
    "h264_baseline": _h264("keyint=25:bframes=0", profile="baseline"),
    "h264_main": _h264("keyint=25:bframes=0", profile="main"),
    "h264_high": _h264("keyint=25:bframes=0:8x8dct=1", profile="high"),
    "h264_b_frames": _h264("keyint=25:bframes=2:b-adapt=0:b-pyramid=none"),
    "h264_b_pyramid": _h264("keyint=25:bframes=3:b-adapt=0:b-pyramid=normal"),
    "h264_slices": _h264("keyint=25:bframes=0:slices=4", size=(320, 240)),
    "h264_intra_refresh": _h264("keyint=10:intra-refresh=1:bframes=0", pictures=75),
    "h264_open_gop": _h264("keyint=12:open-gop=1:bframes=2:b-adapt=0"),
    "h264_size_change": Recipe(
        "h264",
        (Section("keyint=25:bframes=0", pictures=25), Section("keyint=25:bframes=0", size=(320, 240), pictures=25)),
    ),
    "h264_same_size_change": Recipe(
        "h264",
        (
            Section("keyint=25:bframes=0", pictures=25, profile="baseline"),
            Section("keyint=25:bframes=0:ref=3", pictures=25, profile="high"),
        ),
    ),
    # With the old parameter sets, the second section would decode without an error, but wrongly.
    "h264_quiet_change": Recipe(
        "h264",
        (
            Section("keyint=25:bframes=0:ref=1", pictures=25, profile="main"),
            Section("keyint=25:bframes=0:ref=3:chroma-qp-offset=10", pictures=25, profile="main"),
        ),
    ),
    "h264_out_of_band": Recipe("h264", (Section("keyint=25:bframes=0"),), in_band=False),
    "h264_cropped": _h264("keyint=25:bframes=0", size=(178, 98)),
    "h264_variable_rate": Recipe(
        "h264", (Section("keyint=25:bframes=0:vfr-input=1"),), steps=(3600, 1800, 5400, 3000, 7200)
    ),
    "h264_short_gop": _h264("keyint=10:bframes=0"),
    "h264_delimiters": _h264("keyint=25:bframes=0:aud=1"),
    "h264_filler": Recipe("h264", (Section("keyint=25:bframes=0"),), filler=1500),
    "h264_interlaced": _h264("keyint=25:bframes=0:interlaced=1"),
    "h264_full_range": _h264("keyint=25:bframes=0", pixels="yuvj420p"),
    "h264_4k": _h264("keyint=2:bframes=0:no-deblock=1", size=(3840, 2160), pictures=4),
    "hevc_main": _h265("keyint=25:bframes=0"),
    "hevc_b_frames": _h265("keyint=25:bframes=3:b-adapt=0:b-pyramid=1:open-gop=0"),
    "hevc_open_gop": _h265("keyint=12:open-gop=1:bframes=2:b-adapt=0"),
    "hevc_slices": _h265("keyint=25:bframes=0:slices=3:ctu=16", size=(320, 240)),
    "hevc_intra_refresh": _h265("keyint=10:intra-refresh=1:bframes=0:ctu=16", size=(320, 240), pictures=75),
    "hevc_recovery_points": Recipe(
        "h265",
        (
            # With x265's intra refresh, two rounds with these options complete the picture.
            Section(
                "keyint=10:intra-refresh=1:bframes=0:ctu=16:no-temporal-mvp=1:no-sao=1:no-deblock=1:constrained-intra=1",
                size=(320, 240),
                pictures=75,
            ),
        ),
        recovers_after=19,
    ),
    "hevc_delimiters": _h265("keyint=10:bframes=0:aud=1"),
    "hevc_10_bit": _h265("keyint=25:bframes=0", pixels="yuv420p10le"),
    "hevc_cropped": _h265("keyint=25:bframes=0", size=(178, 98)),
    "hevc_out_of_band": Recipe("h265", (Section("keyint=25:bframes=0"),), in_band=False),
}
