"""What doesn't fit is done in halves, once each, and what fits is remembered, for a while."""

from __future__ import annotations

import logging
import weakref
from itertools import pairwise

import numpy as np
import pytest

from stages.device.halving import Halving, TooLargeError
from telemetry.observer import Observer


class Told(Observer):
    def __init__(self) -> None:
        self.failures: list[str] = []

    def out_of_memory(self, stage: str) -> None:
        self.failures.append(stage)


class Room:
    """Work that fits up to so many items; remembers what was done and what was tried."""

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
    room, halving = Room(fits), Halving("detection", "frames", Observer())
    pieces = halving.run(count, room)
    assert room.done == list(range(count))
    assert [number for start, stop in pieces for number in range(start, stop)] == list(range(count))


def test_what_fits_is_remembered_counted_and_logged_once_a_change(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    room, halving = Room(2), Halving("detection", "frames", told)
    for _ in range(4):
        halving.run(8, room)
    assert room.tried == [8, 4, *[2] * 16]
    assert halving.limit == 2
    assert told.failures == ["detection", "detection"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "at most 2" in caplog.messages[1] and "batch.max_frames" in caplog.messages[1]


def test_one_item_that_does_not_fit_raises_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    told = Told()
    room, halving = Room(0), Halving("detection", "frames", told)
    with pytest.raises(MemoryError, match="too much"):
        halving.run(2, room)
    assert room.tried == [2, 1]
    assert told.failures == ["detection", "detection"]


def test_another_fault_is_not_tried_again() -> None:
    tried: list[int] = []

    def breaks(start: int, stop: int) -> None:
        tried.append(stop - start)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Halving("detection", "frames", Observer()).run(8, breaks)
    assert tried == [8]


def test_after_long_enough_more_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    room, halving = Room(2), Halving("detection", "frames", Observer(), pieces_before_more=10)
    halving.run(8, room)
    room.fits = 8
    limits: list[int | None] = []
    for _ in range(12):
        halving.run(8, room)
        limits.append(halving.limit)
    assert limits[-1] is None
    assert sorted({limit for limit in limits if limit}) == [2, 4]
    assert room.tried[-1] == 8


def test_each_vain_try_makes_the_next_wait_twice_as_long() -> None:
    room, halving = Room(2), Halving("detection", "frames", Observer(), pieces_before_more=4)
    for _ in range(100):
        halving.run(4, room)
    vain = [at for at, size in enumerate(room.tried) if size == 4]
    assert [later - sooner - 1 for sooner, later in pairwise(vain)] == [4, 8, 16, 32, 64]


def test_small_batches_do_not_count_as_a_sign_that_more_fits() -> None:
    room, halving = Room(2), Halving("detection", "frames", Observer(), pieces_before_more=3)
    halving.run(4, room)
    for _ in range(20):
        halving.run(1, room)
    assert halving.limit == 2


def test_a_failed_attempt_has_let_go_of_its_memory_when_its_half_is_tried() -> None:
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
