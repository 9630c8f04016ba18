"""The streams that the RTP tests receive, each encoded once, and a receiver for them."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from stream.sources.rtp.access_units import AccessUnits
from stream.sources.rtp.packets import EncodedUnit
from support.rtp.coded_pictures import Coded, Decoding, encode
from support.rtp.nal_units import Codec, nal_type
from support.rtp.packetiser import PAYLOAD_TYPE, Packetiser

X264 = "x264-params"
X265 = "x265-params"
OPTIONS: dict[str, tuple[Codec, dict[str, str]]] = {
    "h264 baseline": ("h264", {"profile": "baseline", X264: "keyint=10:scenecut=0:slices=1"}),
    "h264 slices": ("h264", {"preset": "veryfast", X264: "keyint=10:scenecut=0:slices=3:bframes=0"}),
    "h264 B pictures": ("h264", {"preset": "medium", X264: "keyint=12:bframes=3:b-pyramid=none:scenecut=0"}),
    "h264 B pyramid": ("h264", {"preset": "medium", X264: "keyint=12:bframes=3:b-pyramid=normal:scenecut=0:aud=1"}),
    "h264 open GOP": (
        "h264",
        {"preset": "medium", X264: "keyint=10:bframes=3:open-gop=1:b-adapt=0:scenecut=0:b-pyramid=none"},
    ),
    "h264 open GOP, B pyramid": (
        "h264",
        {"preset": "medium", X264: "keyint=12:bframes=3:open-gop=1:b-adapt=0:scenecut=0:b-pyramid=normal"},
    ),
    "h264 intra refresh": ("h264", {"preset": "veryfast", X264: "keyint=12:intra-refresh=1:bframes=0:slices=2"}),
    "h265": ("h265", {X265: "keyint=10:scenecut=0:bframes=0"}),
    # x265 crashes now and then with slices and no pool
    "h265 slices": ("h265", {X265: "keyint=10:scenecut=0:bframes=0:slices=2:pools=1"}),
    "h265 B pictures": ("h265", {X265: "keyint=10:scenecut=0:bframes=3:open-gop=0:b-adapt=0"}),
    "h265 open GOP": ("h265", {"preset": "fast", X265: "keyint=10:scenecut=0:bframes=4:open-gop=1:b-adapt=0"}),
    "h265 intra refresh": ("h265", {"preset": "fast", X265: "keyint=12:intra-refresh=1:bframes=0"}),
}
COUNT = 40
NAMES = list(OPTIONS)
CHANGING = ("h264 sizes that change", "h265 sizes that change")


@functools.cache
def stream(name: str) -> tuple[Codec, list[Coded]]:
    """Return codec and pictures in decoding order, with parameter sets before each keyframe."""
    if name in CHANGING:
        codec: Codec = "h264" if name == CHANGING[0] else "h265"
        coded: list[Coded] = []
        for part, size in enumerate(((128, 96), (64, 80), (160, 96), (128, 96))):
            options = {X264 if codec == "h264" else X265: "keyint=5:bframes=0"}
            coded += encode(codec, 10, size, options, start=10 * part)
        return codec, coded
    codec, options = OPTIONS[name]
    repeat = {X265: options.get(X265, "") + ":repeat-headers=1"} if codec == "h265" else {}
    # 8 rows of macroblocks, or 3 of coding tree units: enough for several slices
    return codec, encode(codec, COUNT, (128, 128 if codec == "h264" else 192), {**options, **repeat})


@functools.cache
def decoded(name: str) -> dict[int, bytes]:
    """Return the pictures that FFmpeg decodes from the stream, by timestamp."""
    codec, coded = stream(name)
    decoding = Decoding(codec)
    for number, picture in enumerate(coded):
        if name in CHANGING and number % 10 == 0:
            decoding.drain()
        decoding.add(picture.data, picture.timestamp)
    decoding.drain()
    return decoding.pictures


@dataclass
class Receiving:
    """Access units with a clock that advances 0.1 ms per packet, and the received units."""

    codec: Codec
    parameter_sets: tuple[bytes, ...] = ()
    reorder: bool = False
    now_ns: int = 0
    units: list[EncodedUnit] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.access_units = AccessUnits(
            self.codec, PAYLOAD_TYPE, self.parameter_sets, self.discarded.append, reorder=self.reorder
        )

    def add(self, packets: Iterable[bytes]) -> list[EncodedUnit]:
        for packet in packets:
            self.now_ns += 100_000
            self.units += self.access_units.add(memoryview(packet), self.now_ns)
        return self.units

    def pass_ms(self, milliseconds: int) -> list[EncodedUnit]:
        self.now_ns += milliseconds * 1_000_000
        self.units += self.access_units.due(self.now_ns)
        return self.units

    @property
    def pictures(self) -> dict[int, bytes]:
        """The shown pictures that are decoded from the units, by timestamp."""
        decoding = Decoding(self.codec)
        for unit in self.units:
            if unit.restart:
                decoding.drain()
            decoding.add(unit.data, unit.rtp_timestamp)
        decoding.drain()
        return decoding.pictures


def two_slices(number: int, codec: Codec = "h264") -> list[bytes]:
    """Return two slices of an IDR or IRAP picture, too short to be decoded."""
    first, second = (
        (b"\x65\x88\x84", b"\x65\x44\x84") if codec == "h264" else (b"\x26\x01\xa0\x77", b"\x26\x01\x60\x77")
    )
    return [first + bytes([number + 1]) * 150, second + bytes([number + 1]) * 150]


def sets_of(codec: Codec) -> list[bytes]:
    """Return the parameter sets of a real stream."""
    _, coded = stream("h264 slices" if codec == "h264" else "h265 slices")
    return [nal for nal in coded[0].nals if nal_type(codec, nal) in ((7, 8) if codec == "h264" else (32, 33, 34))]


def begun(codec: Codec = "h264") -> tuple[Receiving, Packetiser]:
    """Return a receiver that has received two keyframes, at timestamps 0 and 1, with correct markers."""
    receiving, packetiser = Receiving(codec, tuple(sets_of(codec))), Packetiser(codec, mtu=100)
    for number in range(2):
        receiving.add(packetiser.picture(two_slices(number, codec), number))
    assert receiving.access_units.closes_on == "marker" and len(receiving.units) == 2
    return receiving, packetiser
