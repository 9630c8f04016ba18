from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.cameras import barcode
from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.pattern import GLYPHS, TestPicture, pattern_transport
from stream.sources.transport import AccessUnit
from support.waiting import wait_until, waits

NOON = datetime(2026, 5, 17, 12, 34, 56, 789_000, tzinfo=UTC)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (321, 241), (64, 64)])
@pytest.mark.parametrize("number", [0, 1, 41_234, 65_535])
def test_the_number_can_be_decoded_from_the_top_edge(size: tuple[int, int], number: int) -> None:
    picture = TestPicture(size)
    picture.draw(number, NOON)
    assert barcode.read(picture.luma) == number


def test_the_number_wraps_where_the_blocks_end() -> None:
    picture = TestPicture((640, 360))
    picture.draw(65_536 + 7, NOON)
    assert barcode.read(picture.luma) == 7


def glyphs_at(luma: np.ndarray, left: int, top: int, cell: int, count: int) -> str:
    """Return the text read from the centres of its cells."""
    by_dots = {dots: character for character, dots in GLYPHS.items()}
    text = ""
    for place in range(count):
        x = left + place * 4 * cell + cell // 2
        dots = luma[top + cell // 2 : top + 5 * cell : cell, x : x + 3 * cell : cell][:5, :3]
        text += by_dots["".join("1" if dot > 127 else "0" for dot in dots.ravel())]
    return text


def test_number_and_time_are_readable_as_text() -> None:
    picture = TestPicture((640, 360))
    picture.draw(1042, NOON)
    cell = min(640 // 60, 360 // 30)
    assert glyphs_at(picture.luma, cell * 2, 45, cell * 2, 4) == "1042"
    assert glyphs_at(picture.luma, cell * 2, 45 + cell * 13, cell, 12) == "12:34:56.789"


def test_every_character_has_fifteen_dots_and_none_looks_like_another() -> None:
    assert {len(dots) for dots in GLYPHS.values()} == {15}
    assert len(set(GLYPHS.values())) == len(GLYPHS)


def test_pictures_differ_from_one_another() -> None:
    picture = TestPicture((320, 240))
    first = picture.draw(10, NOON).copy()
    assert not np.array_equal(first, picture.draw(11, NOON))


def sent(pace: str, count: int, stopping: threading.Event) -> tuple[list[AccessUnit], list[int], int]:
    """Return what the transport sends, the numbers in the decoded pictures, and when it began (monotonic ns)."""
    config = CameraConfig(id="cam", source="pattern:320x240@50", pace=pace)  # pyright: ignore[reportArgumentType]
    transport = pattern_transport(config, stopping)
    began_ns = time.monotonic_ns()
    decoder = Decoder(transport.open().codec, pytest.fail)
    units, numbers = [], []
    for _ in range(count):
        unit = transport.read()
        assert unit is not None
        units.append(unit)
        for picture in decoder.decode(unit):
            luma = np.frombuffer(bytes(picture.frame.planes[0]), np.uint8).reshape(240, -1)[:, :320]
            numbers.append(barcode.read(luma))
    return units, numbers, began_ns


def test_no_picture_is_returned_before_its_time() -> None:
    units, numbers, began_ns = sent("live", 11, threading.Event())
    assert numbers == list(range(11))
    assert [unit.times.pts_us for unit in units] == [number * 20_000 for number in range(11)]
    assert all(unit.times.arrival_ns >= began_ns + number * 20_000_000 for number, unit in enumerate(units))


def test_without_pacing_pictures_are_returned_as_fast_as_they_are_read() -> None:
    class NeverWaits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pytest.fail("it waits")

    _, numbers, _ = sent("fast", 100, NeverWaits())
    assert numbers == list(range(100))


def test_a_stop_ends_the_wait_for_the_next_picture() -> None:
    stopping = threading.Event()
    config = CameraConfig(id="cam", source="pattern:64x64@0.0001")  # pyright: ignore[reportArgumentType]
    transport = pattern_transport(config, stopping)
    transport.open()
    assert transport.read() is not None

    def stop_once_it_waits() -> None:
        wait_until(lambda: waits(threading.main_thread()))
        stopping.set()

    threading.Thread(target=stop_once_it_waits).start()
    assert transport.read() is None
