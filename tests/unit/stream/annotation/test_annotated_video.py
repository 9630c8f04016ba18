"""Annotating whole videos and reading them back."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
from rich.console import Console

from stream.annotation.annotate import AnnotatedPictures, annotate, annotate_file
from stream.annotation.annotated_video import AnnotationError
from stream.pictures import video_encoding
from stream.pictures.drawing import relevance_colour
from support.engines.drawn_results import a_frame, a_person
from support.engines.film_models import make_film

GREY = 90


def make_video(path: Path, pictures: int = 25, size: tuple[int, int] = (320, 240), rate: int = 25) -> Path:
    """Write a grey video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(pictures):
            picture = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), GREY, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def pictures_of(path: Path) -> tuple[list[np.ndarray], list[float], float, str, str]:
    """Return pictures as RGB, their times, the duration (s), codec and pixel format."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        arrays = [frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray() for frame in frames]
        times = [float(frame.time or 0) for frame in frames]
        duration = (container.duration or 0) / 1e6
        return arrays, times, duration, stream.codec_context.name, stream.codec_context.pix_fmt or ""


def test_the_output_has_the_same_number_of_pictures_and_duration_and_shows_the_results(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4")
    out = tmp_path / "new" / "out.mp4"
    progress: list[tuple[int, int]] = []
    frames = [a_frame(number) for number in range(25)]
    assert annotate([(video, frames)], out, lambda done, total: progress.append((done, total))) == AnnotatedPictures(
        25, 25
    )
    pictures, times, duration, codec, pixels = pictures_of(out)
    assert len(pictures) == 25
    assert times == pytest.approx([number / 25 for number in range(25)], abs=1e-3)
    assert duration == pytest.approx(1.0, abs=0.01)
    assert (codec, pixels) == ("h264", "yuv420p")
    assert progress == [(number, 25) for number in range(1, 26)]
    assert [entry.name for entry in out.parent.iterdir()] == ["out.mp4"]

    picture = pictures[12].astype(int)
    assert picture.shape[1] == 640 and picture.shape[0] > 480
    assert np.abs(picture[470, 10] - GREY).max() < 8, "the picture is unchanged where nothing is drawn"
    inside_hand_edge = picture[2 * 65 + 1 : 2 * 80 - 1, 2 * 125 : 2 * 125 + 2].reshape(-1, 3).mean(0)
    assert np.abs(inside_hand_edge - relevance_colour(0.95)).max() < 70, "the hand's box is in the colour of relevance"
    label = picture[:120, 240:500]
    assert (np.abs(label - GREY).max(axis=2) > 40).mean() > 0.1, "the label is drawn"
    assert picture[482:, :].mean() < 60, "the strip is below the picture"


def test_a_rotated_video_is_drawn_as_displayed(tmp_path: Path) -> None:
    video = make_film(tmp_path / "upright.mp4", 5, shown_turned=True)
    annotate([(video, [])], tmp_path / "out.mp4")
    picture = pictures_of(tmp_path / "out.mp4")[0][2].astype(int)
    assert picture.shape[1] == 240, "120 pixels wide as displayed, drawn twice as large"
    assert picture[:150].min() > 235 and picture[170:310].max() < 20, "its left half is white, and displayed above"


def test_pictures_without_a_result_show_the_nearest_one_fading_with_distance(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", pictures=60)
    out = tmp_path / "out.mp4"
    assert annotate([(video, [a_frame(20)])], out) == AnnotatedPictures(60, 1)
    pictures, *_ = pictures_of(out)
    area = (slice(0, 480), slice(0, 640))
    plain = pictures[0][area].astype(int)
    shown = [float(np.abs(picture[area].astype(int) - plain).mean()) for picture in pictures]
    assert np.abs(plain - GREY).max() < 6 and max(shown[:8]) < 0.5, "nothing more than half a second earlier"
    assert shown[20] > 2.5
    assert shown[19] == pytest.approx(shown[20], rel=0.1) and shown[21] == pytest.approx(shown[20], rel=0.1)
    assert shown[20] > shown[25] > shown[30] > 0.5 and shown[20] > shown[15] > shown[10] > 0.5
    assert max(shown[34:]) < 0.5, "gone after half a second"


def test_several_videos_are_written_one_after_the_other_fitted_to_the_first(tmp_path: Path) -> None:
    first = make_video(tmp_path / "first.mp4", 10)
    second = make_video(tmp_path / "second.mp4", 20, (640, 180), rate=10)
    out = tmp_path / "out.mp4"
    frames = [a_frame(number, [a_person(2)], camera="gate", size=(640, 180)) for number in range(20)]
    assert annotate([(first, []), (second, frames)], out) == AnnotatedPictures(30, 20)
    pictures, times, duration, *_ = pictures_of(out)
    assert len(pictures) == 30
    assert times == pytest.approx([n / 25 for n in range(10)] + [0.4 + n / 10 for n in range(20)], abs=2e-3)
    assert duration == pytest.approx(2.4, abs=0.02)
    assert pictures[29][20:140].max() < 60, "the wide picture is in the middle, dark above"


def test_a_file_of_results_is_drawn_with_progress(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4")
    results = tmp_path / "results.jsonl"
    results.write_bytes(b"".join(msgspec.json.encode(a_frame(number)) + b"\n" for number in range(0, 25, 2)))
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    assert annotate_file(video, results, tmp_path / "out.mp4", console) == AnnotatedPictures(25, 13)


def test_what_the_detector_looked_at_is_drawn_on_request(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 5)
    results = tmp_path / "results.jsonl"
    looked = [
        msgspec.structs.replace(a_frame(number, []), look="regions", regions=[(40, 60, 200, 220)])
        for number in range(5)
    ]
    results.write_bytes(b"".join(msgspec.json.encode(frame) + b"\n" for frame in looked))
    edges: list[float] = []
    for detector in (False, True):
        annotate_file(video, results, tmp_path / "out.mp4", detector=detector)
        picture = pictures_of(tmp_path / "out.mp4")[0][3]
        edges.append(float(picture[2 * 100 : 2 * 180, 2 * 40].mean()))
    assert edges[0] == pytest.approx(GREY, abs=4) and edges[1] > GREY + 40


def test_one_of_several_cameras_must_be_chosen(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 5)
    results = tmp_path / "results.jsonl"
    frames = [a_frame(number, camera=camera) for number in range(5) for camera in ("lobby", "gate")]
    results.write_bytes(b"".join(msgspec.json.encode(frame) + b"\n" for frame in frames))
    with pytest.raises(AnnotationError, match=r"several cameras \(gate, lobby\)"):
        annotate_file(video, results, tmp_path / "out.mp4")
    with pytest.raises(AnnotationError, match="no results of camera yard, only of gate, lobby"):
        annotate_file(video, results, tmp_path / "out.mp4", camera="yard")
    assert annotate_file(video, results, tmp_path / "out.mp4", camera="gate") == AnnotatedPictures(5, 5)


@pytest.mark.parametrize("content", [b"", b"this is text, not a video\n" * 100, None])
def test_an_unreadable_video_is_named_and_leaves_no_file(tmp_path: Path, content: bytes | None) -> None:
    video = tmp_path / "broken.mp4"
    if content is not None:
        video.write_bytes(content)
    out = tmp_path / "out.mp4"
    with pytest.raises(AnnotationError, match=r"broken\.mp4: (can't be read as a video: |contains no)"):
        annotate([(video, [a_frame()])], out)
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 3)
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(AnnotationError, match=r"out\.mp4: can't be written"):
        annotate([(video, [])], tmp_path / "out.mp4")
    assert not list(tmp_path.glob(".*"))


def test_damaged_pictures_are_skipped(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4", 50)
    content = bytearray(video.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 40] = bytes(40)
    video.write_bytes(content)
    assert annotate([(video, [a_frame(0)])], tmp_path / "out.mp4").pictures > 10


def test_without_libx264_the_output_is_mpeg4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(video_encoding.ENCODERS) == ["libx264", "mpeg4"]
    monkeypatch.setattr(video_encoding, "ENCODERS", {"no_such_encoder": {}, "mpeg4": video_encoding.ENCODERS["mpeg4"]})
    video = make_video(tmp_path / "in.mp4", 10)
    annotate([(video, [a_frame(number) for number in range(10)])], tmp_path / "out.mp4")
    pictures, _, duration, codec, pixels = pictures_of(tmp_path / "out.mp4")
    assert (len(pictures), codec, pixels) == (10, "mpeg4", "yuv420p")
    assert duration == pytest.approx(0.4, abs=0.05)
