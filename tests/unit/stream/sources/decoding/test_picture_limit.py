"""Pictures that are too large, or for which there is no memory, are refused before they are decoded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.decoding.picture_limit import SETTLED_AFTER, PictureLimit
from stream.sources.decoding.picture_memory import SHARE, PictureMemory
from stream.sources.errors import SourceError
from stream.sources.transport import AccessUnit, UnitTimes
from support.engines.small_clips import REORDERED_H264, make_clip

MIB = 1 << 20


def config(**settings: object) -> CameraConfig:
    return CameraConfig.model_validate({"id": "cam", "source": "rtsp://host/x", **settings})


def plenty() -> PictureMemory:
    return PictureMemory(lambda: 1 << 40)


def units(path: Path) -> Iterable[AccessUnit]:
    with av.open(str(path)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if packet.size:
                yield AccessUnit(packet, UnitTimes(number * 40_000, number, number))


def fresh(codec: str = "h264") -> VideoCodecContext:
    made = av.CodecContext.create(codec, "r")
    assert isinstance(made, VideoCodecContext)
    return made


def test_a_picture_of_exactly_the_limit_is_decoded(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=3, size=(1000, 562))
    decoder = Decoder(fresh(), pytest.fail, PictureLimit(config(max_picture="1000x562"), memory=plenty()))
    shown = [picture for unit in units(clip) for picture in decoder.decode(unit)]
    assert shown and shown[0].frame.width == 1000


def test_a_size_that_grows_in_mid_stream_is_refused(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "small.ts", frames=5, size=(320, 180))
    large = make_clip(tmp_path / "large.ts", frames=5, size=(1280, 720))
    codec = fresh()
    decoder = Decoder(codec, lambda reason: None, PictureLimit(config(max_picture="640x480"), memory=plenty()))
    assert sum(len(decoder.decode(unit)) for unit in units(small)) > 0
    with pytest.raises(SourceError, match="max_picture"):
        for unit in units(large):
            decoder.decode(unit)


@pytest.mark.parametrize(("pixels", "mib"), [("yuv420p", 3), ("yuv420p10le", 7)])
def test_memory_is_counted_at_the_first_unit_also_if_its_picture_is_held_back(
    tmp_path: Path, pixels: str, mib: int
) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=8, size=(640, 360), options=REORDERED_H264, pixels=pixels)
    decoder = Decoder(fresh(), pytest.fail, PictureLimit(config(), memory=PictureMemory(lambda: MIB)))
    with pytest.raises(SourceError, match=rf"\({mib} for the decoder"):
        decoder.decode(next(iter(units(clip))))


def test_ffmpegs_own_limit_holds_before_the_first_picture_is_decoded(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.avi", frames=2, size=(1280, 720), codec="mpeg4")
    codec = fresh("mpeg4")
    decoder = Decoder(codec, pytest.fail, PictureLimit(config(max_picture="640x480"), memory=plenty()))
    with av.open(str(clip)) as container:
        codec.extradata = container.streams.video[0].codec_context.extradata
    with pytest.raises(SourceError, match=r"its pictures are larger than max_picture \(640x480\)"):
        decoder.decode(next(iter(units(clip))))


def test_pictures_without_memory_for_decoder_and_ring_are_refused_with_the_figures(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=1, size=(1280, 720))
    limit = PictureLimit(config(), lambda size: 8 * size[0] * size[1] * 3 // 2, PictureMemory(lambda: 10 * MIB))
    decoder = Decoder(fresh(), pytest.fail, limit)
    with pytest.raises(SourceError, match=r"cam: its pictures of 1280x720 pixels need about .* but 9 MiB are"):
        decoder.decode(next(iter(units(clip))))


def test_cameras_that_start_at_the_same_time_do_not_count_on_the_same_memory() -> None:
    memory = PictureMemory(lambda: 100 * MIB)
    first, left = memory.grant(60 * MIB)
    assert first is not None and left == int(100 * MIB * SHARE)
    assert memory.grant(60 * MIB)[0] is None
    first.settle()
    first.settle()
    assert memory.grant(60 * MIB)[0] is not None
    assert memory.grant(90 * MIB)[0] is not None, "a grant that is given up counts no longer"


def test_a_grant_counts_until_decoder_and_ring_hold_the_memory(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.ts", frames=SETTLED_AFTER + 2, size=(320, 180))
    memory = PictureMemory(lambda: 100 * MIB)
    limit = PictureLimit(config(), lambda size: 60 * MIB, memory)
    decoder = Decoder(fresh(), pytest.fail, limit)
    room: list[bool] = []
    for unit in units(clip):
        decoder.decode(unit)
        room.append(memory.grant(60 * MIB)[0] is not None)
    assert not room[0] and room[-1]
