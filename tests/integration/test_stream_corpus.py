"""The streams of the RTP tests are complete, and have the properties in their names."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import av
import pytest

from support.rtp.stream_corpus import (
    RECOVERY_POINT,
    Codec,
    CodedPicture,
    corpus_stream,
    nal_type,
    nal_units,
    names,
    slices_of,
)

PARAMETER_SETS = {"h264": {7, 8}, "h265": {32, 33, 34}}
SEI = {"h264": 6, "h265": 39}
IRAP = range(16, 24)


@pytest.mark.parametrize("name", names())
def test_pictures_are_complete_in_order_and_all_different(name: str) -> None:
    shown = corpus_stream(name).shown
    assert [picture.number for picture in shown] == list(range(len(corpus_stream(name).units)))
    assert len({picture.digest for picture in shown}) == len(shown)
    assert all(before.pts < after.pts for before, after in pairwise(shown))


@pytest.mark.parametrize(("name", "profile"), [("h264_baseline", 66), ("h264_main", 77), ("h264_high", 100)])
def test_streams_have_their_profiles(name: str, profile: int) -> None:
    assert corpus_stream(name).parameter_sets[0][1] == profile


@pytest.mark.parametrize(("name", "slices"), [("h264_main", 1), ("h264_slices", 4), ("hevc_slices", 3)])
def test_every_picture_has_its_number_of_slices(name: str, slices: int) -> None:
    stream = corpus_stream(name)
    assert {len(slices_of(stream.codec, unit)) for unit in stream.units} == {slices}


@pytest.mark.parametrize(
    ("name", "ahead"),
    [("h264_main", 0), ("h264_b_frames", 1), ("h264_b_pyramid", 2), ("hevc_main", 0), ("hevc_b_frames", 2)],
)
def test_pictures_are_sent_ahead_of_their_presentation(name: str, ahead: int) -> None:
    stream = corpus_stream(name)
    assert (stream.units[0].pts - stream.units[0].dts) // 3600 == ahead
    assert (sorted(unit.pts for unit in stream.units) != [unit.pts for unit in stream.units]) == bool(ahead)


@pytest.mark.parametrize("name", ["h264_intra_refresh", "hevc_intra_refresh", "hevc_recovery_points"])
def test_intra_refresh_has_one_keyframe_and_recovery_points(name: str) -> None:
    stream = corpus_stream(name)
    randomly_accessible = {"h264": {5}, "h265": set(IRAP)}[stream.codec]
    keyframes = [unit for unit in stream.units if types_of(stream.codec, unit) & randomly_accessible]
    assert keyframes == [stream.units[0]]
    recovering = [number for number, unit in enumerate(stream.units) if has_recovery_point(stream.codec, unit)]
    marked = [10, 20, 30, 40, 50, 60, 70]
    assert [number for number in recovering if number] == ([] if name == "hevc_intra_refresh" else marked)


@pytest.mark.parametrize(
    ("name", "begins", "whole_from"), [("h264_intra_refresh", 10, 18), ("hevc_recovery_points", 30, 49)]
)
def test_pictures_are_complete_some_time_after_a_recovery_point(name: str, begins: int, whole_from: int) -> None:
    stream = corpus_stream(name)
    whole = {picture.pts: picture.digest for picture in stream.shown}
    late = replace(stream, units=stream.units[begins:], parameter_sets=stream.parameter_sets)
    recovered = {picture.number: picture.digest == whole[picture.pts] for picture in late.shown}
    assert list(recovered) == list(range(whole_from, len(stream.units)))
    assert all(recovered.values())


@pytest.mark.parametrize("name", ["h264_open_gop", "hevc_open_gop"])
def test_pictures_sent_after_the_start_of_an_open_gop_are_shown_before_it(name: str) -> None:
    stream = corpus_stream(name)
    starts = [number for number, unit in enumerate(stream.units) if unit.is_keyframe]
    assert len(starts) > 3
    for start in starts[1:]:
        assert stream.units[start + 1].pts < stream.units[start].pts
        if stream.codec == "h264":
            assert 5 not in types_of("h264", stream.units[start])
            assert has_recovery_point("h264", stream.units[start])
        else:
            assert 21 in types_of("h265", stream.units[start])  # CRA


@pytest.mark.parametrize("name", ["h264_out_of_band", "hevc_out_of_band"])
def test_out_of_band_parameter_sets_are_not_in_the_stream(name: str) -> None:
    stream = corpus_stream(name)
    assert not any(types_of(stream.codec, unit) & PARAMETER_SETS[stream.codec] for unit in stream.units)
    assert {nal_type(stream.codec, nal) for nal in stream.parameter_sets} == PARAMETER_SETS[stream.codec]


@pytest.mark.parametrize("name", ["h264_size_change", "h264_same_size_change", "h264_quiet_change"])
def test_parameter_sets_change_in_the_middle(name: str) -> None:
    stream = corpus_stream(name)
    later = [nal for nal in nal_units(stream.units[25].data) if nal_type("h264", nal) in PARAMETER_SETS["h264"]]
    assert len(later) == 2
    assert later != list(stream.parameter_sets)
    sizes = [picture.size for picture in stream.shown]
    assert sizes == [(160, 120)] * 25 + [(320, 240) if name == "h264_size_change" else (160, 120)] * 25


@pytest.mark.parametrize(
    ("name", "size", "pixels"),
    [
        ("h264_cropped", (178, 98), "yuv420p"),
        ("hevc_cropped", (178, 98), "yuv420p"),
        ("h264_4k", (3840, 2160), "yuv420p"),
        ("h264_full_range", (160, 120), "yuvj420p"),
        ("hevc_10_bit", (160, 120), "yuv420p10le"),
    ],
)
def test_streams_have_their_sizes_and_pixel_formats(name: str, size: tuple[int, int], pixels: str) -> None:
    assert {(picture.size, picture.pixels) for picture in corpus_stream(name).shown} == {(size, pixels)}


@pytest.mark.parametrize(
    ("name", "at", "kind"), [("h264_delimiters", 0, 9), ("hevc_delimiters", 0, 35), ("h264_filler", -1, 12)]
)
def test_every_picture_has_a_delimiter_or_filler_data(name: str, at: int, kind: int) -> None:
    stream = corpus_stream(name)
    assert {nal_type(stream.codec, nal_units(unit.data)[at]) for unit in stream.units} == {kind}


def test_a_variable_rate_has_uneven_steps() -> None:
    times = [picture.pts for picture in corpus_stream("h264_variable_rate").shown]
    assert [after - before for before, after in pairwise(times)][:6] == [3600, 1800, 5400, 3000, 7200, 3600]


def test_a_container_repeats_the_stream(tmp_path_factory: pytest.TempPathFactory) -> None:
    stream = corpus_stream("h264_b_frames")
    path = stream.write_container(tmp_path_factory.mktemp("corpus") / "twice.mkv", times=2)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 2 * len(stream.units)
    assert times == pytest.approx([number / 25 for number in range(len(times))], abs=0.001)


def types_of(codec: Codec, unit: CodedPicture) -> set[int]:
    return {nal_type(codec, nal) for nal in nal_units(unit.data)}


def has_recovery_point(codec: Codec, unit: CodedPicture) -> bool:
    header = 1 if codec == "h264" else 2
    return any(nal[header] == RECOVERY_POINT for nal in nal_units(unit.data) if nal_type(codec, nal) == SEI[codec])
