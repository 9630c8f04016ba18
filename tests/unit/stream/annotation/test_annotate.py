"""Assigning results to pictures, and fading them with distance."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from stream.annotation.annotate import EXPIRED_S, NearestResult, drawing_size, fitted, read_frames, strength
from stream.annotation.annotated_video import AnnotationError
from stream.results import Frame
from support.engines.drawn_results import a_frame


def test_a_picture_gets_its_own_result_or_the_nearest_one() -> None:
    nearest = NearestResult([a_frame(2), a_frame(3), a_frame(7)])
    found = [nearest.at(picture) for picture in range(9)]
    assert [frame.frame if frame else None for frame in found] == [2, 2, 2, 3, 3, 3, 7, 7, 7]


def test_only_the_first_epoch_counts() -> None:
    nearest = NearestResult([a_frame(0), a_frame(1, epoch=2), a_frame(2)])
    found = [nearest.at(picture) for picture in range(4)]
    assert [frame.frame for frame in found if frame] == [0, 0, 2, 2]


def test_without_results_nothing_is_shown() -> None:
    assert NearestResult([]).at(5) is None


def test_results_are_read_at_most_one_ahead() -> None:
    read = []

    def frames() -> Iterator[Frame]:
        for number in range(100):
            read.append(number)
            yield a_frame(number)

    nearest = NearestResult(frames())
    for picture in range(10):
        nearest.at(picture)
    assert max(read) == 10


def test_a_result_fades_with_distance_and_disappears_after_half_a_second() -> None:
    strengths = [strength(distance / 100) for distance in range(0, 100)]
    assert strengths[0] == strengths[10] == 1.0
    assert all(later <= earlier for earlier, later in pairwise(strengths))
    assert 0.3 < strength(EXPIRED_S) < 0.5
    assert EXPIRED_S == 0.5 and strength(EXPIRED_S + 0.01) == 0.0


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ((768, 576), (1152, 864)),
        ((320, 241), (640, 482)),
        ((959, 540), (1438, 810)),
        ((960, 540), (960, 540)),
        ((3840, 2160), (1920, 1080)),
        ((1, 1), (2, 2)),
    ],
)
def test_narrow_pictures_are_enlarged_and_large_ones_reduced(size: tuple[int, int], drawn: tuple[int, int]) -> None:
    assert drawing_size(*size) == drawn


def test_a_picture_with_another_aspect_ratio_is_fitted() -> None:
    assert fitted(1920, 1080, (1152, 864)) == (1152, 648)
    assert fitted(480, 640, (1152, 864)) == (648, 864)


def test_results_are_read_line_by_line_and_other_messages_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    event = (
        b'{"schema":"partstream.status/1","run":"a","seq":0,"camera":"lobby","epoch":1,"state":"live","reason":null,'
    )
    event += b'"message":"","at_us":0,"clock":null,"size":null,"source":"x"}'
    lines = [msgspec.json.encode(a_frame(0)), event, b"", msgspec.json.encode(a_frame(1, camera="gate"))]
    file.write_bytes(b"\n".join(lines) + b"\n" + msgspec.json.encode(a_frame(2))[:50])
    assert [(frame.camera, frame.frame) for frame in read_frames(file)] == [("lobby", 0), ("gate", 1)]
    assert [frame.frame for frame in read_frames(file, "gate")] == [1]


def test_an_invalid_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_bytes(msgspec.json.encode(a_frame(0)) + b"\nnonsense\n")
    with pytest.raises(AnnotationError, match=r"results\.jsonl, line 2: not a result of partstream"):
        list(read_frames(file))
    with pytest.raises(AnnotationError, match=r"missing\.jsonl: can't be read: No such file"):
        list(read_frames(tmp_path / "missing.jsonl"))
