"""Work that does not fit is split into halves, and the size that fits is remembered for a while."""

from __future__ import annotations

import logging
import weakref

import numpy as np
import pytest

from stages.device.halving import Halving, TooLargeError
from telemetry.observer import Observer


class RecordingObserver(Observer):
    def __init__(self) -> None:
        self.failures: list[str] = []

    def out_of_memory(self, stage: str) -> None:
        self.failures.append(stage)


class LimitedWork:
    """Work that fits up to a number of items; records the items done and the sizes tried."""

    def __init__(self, fits: int) -> None:
        self.fits = fits
        self.tried: list[int] = []
        self.done: list[int] = []

    def __call__(self, start: int, stop: int) -> tuple[int, int]:
        self.tried.append(stop - start)
        if stop - start > self.fits:
            raise TooLargeError from MemoryError("too much")
        self.done += range(start, stop)
        return start, stop


@pytest.mark.parametrize("fits", [1, 2, 3, 5, 8, 100])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_every_item_is_done_once_and_in_order(fits: int, count: int) -> None:
    work, halving = LimitedWork(fits), Halving("detection", "frames", Observer())
    pieces = halving.run(count, work)
    assert work.done == list(range(count))
    assert [number for start, stop in pieces for number in range(start, stop)] == list(range(count))


def test_the_size_that_fits_is_remembered_and_each_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    observer = RecordingObserver()
    work, halving = LimitedWork(2), Halving("detection", "frames", observer)
    for _ in range(4):
        halving.run(8, work)
    assert work.tried == [8, 4, *[2] * 16]
    assert halving.limit == 2
    assert observer.failures == ["detection", "detection"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "at most 2" in caplog.messages[1] and "batch.max_frames" in caplog.messages[1]


def test_one_item_that_does_not_fit_raises_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    observer = RecordingObserver()
    work, halving = LimitedWork(0), Halving("detection", "frames", observer)
    with pytest.raises(MemoryError, match="too much"):
        halving.run(2, work)
    assert work.tried == [2, 1]
    assert observer.failures == ["detection", "detection"]


def test_a_larger_size_is_retried_after_enough_pieces(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    work, halving = LimitedWork(2), Halving("detection", "frames", Observer(), pieces_before_retry=10)
    halving.run(8, work)
    work.fits = 8
    limits: list[int | None] = []
    for _ in range(12):
        halving.run(8, work)
        limits.append(halving.limit)
    assert limits[-1] is None
    assert sorted({limit for limit in limits if limit}) == [2, 4]
    assert work.tried[-1] == 8


def test_a_failed_attempt_has_released_its_memory_before_its_half_is_tried() -> None:
    held: list[weakref.ref[np.ndarray]] = []

    def attempt(start: int, stop: int) -> None:
        assert all(tensor() is None for tensor in held)
        tensor = np.zeros(stop - start)
        held.append(weakref.ref(tensor))
        try:
            if stop - start > 1:
                raise MemoryError
        except MemoryError as error:
            raise TooLargeError from error

    Halving("detection", "frames", Observer()).run(4, attempt)
    assert len(held) == 6
