from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks.cameras import barcode
from stream.settings.engine import CameraConfig
from stream.sources.decoding.decoder import Decoder
from stream.sources.pattern import TestPicture, pattern_transport
from stream.sources.transport import AccessUnit
from support.waiting import wait_until, waits

NOON = datetime(2026, 5, 17, 12, 34, 56, 789_000, tzinfo=UTC)


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (321, 241), (64, 64)])
@pytest.mark.parametrize("number", [0, 1, 41_234, 65_535])
def test_the_number_can_be_decoded_from_the_top_edge(size: tuple[int, int], number: int) -> None:
    picture = TestPicture(size)
    picture.draw(number, NOON)
    assert barcode.read(picture.luma) == number


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
