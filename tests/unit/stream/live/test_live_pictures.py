"""Live pictures: encoded only for waiting viewers, newest first, without blocking the thread that offers them."""

from __future__ import annotations

import itertools
import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ring_buffers.frames import FrameMeta, SlotFormat
from stream.live.live_pictures import LivePicture, LivePictures
from stream.pictures.jpeg import Encodable, JpegMaker
from stream.privacy.shown import ShownSlot
from support.waiting import wait_until

FORMAT = SlotFormat("rgb24", (64, 48), (64, 48))


def shown(frame: int, camera: str = "door", format: SlotFormat = FORMAT) -> ShownSlot:
    meta = FrameMeta(camera, 3, frame, frame * 40_000, 1_000_000 + frame, "arrival", 0, 0, (64, 48), format)
    return ShownSlot(meta, np.full(format.shape, frame % 256, np.uint8))


class SlowMaker(JpegMaker):
    """Encodes only when the test permits it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.may = threading.Semaphore(0)

    def make(self, copy: Encodable, width: int) -> bytes:
        self.begun.release()
        assert self.may.acquire()
        return b"jpeg of %d at %d" % (np.frombuffer(copy.frame.planes[0], np.uint8)[0], width)  # type: ignore[call-overload]


@pytest.fixture
def pictures() -> Iterator[LivePictures]:
    """Live pictures that are offered one frame per second by their clock, so that no requested rate limits them."""
    made = LivePictures(itertools.count(0, 1_000_000).__next__)
    yield made
    made.close()


def slow_down(pictures: LivePictures) -> SlowMaker:
    pictures._maker = maker = SlowMaker()
    return maker


def test_without_viewers_nothing_is_copied_and_no_thread_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShownSlot, "copy", None)  # calling it would fail
    pictures = LivePictures()
    for frame in range(10):
        pictures.offer(shown(frame))
    assert (pictures.encoded, pictures.skipped, pictures._thread) == (0, 0, None)
    pictures.close()


def test_a_picture_names_its_frame_and_the_next_arrives_only_on_request(pictures: LivePictures) -> None:
    got: queue.Queue[LivePicture] = queue.Queue()
    watch = pictures.watch("door", 640, 1000, got.put)
    pictures.offer(shown(7, "other"))
    pictures.offer(shown(8))
    picture = got.get()
    assert (picture.camera, picture.epoch, picture.frame, picture.capture_us) == ("door", 3, 8, 1_000_008)
    assert picture.jpeg.startswith(b"\xff\xd8") and picture.jpeg.endswith(b"\xff\xd9")
    for frame in range(9, 30):
        pictures.offer(shown(frame))
    assert pictures.encoded == 1 and not pictures._pending, "no viewer waits for them"
    watch.request_next()
    pictures.offer(shown(30))
    assert got.get().frame == 30, "the one after asking, not one from before"


def test_the_requested_rate_is_not_exceeded() -> None:
    pictures = LivePictures(itertools.count(0, 20_000).__next__)
    got: queue.Queue[int] = queue.Queue()
    watch = pictures.watch("door", 640, 5, lambda picture: got.put(picture.frame))
    numbers: list[int] = []
    for frame in range(31):
        watch.request_next()
        pictures.offer(shown(frame))
        if frame % 10 == 0:
            numbers.append(got.get())
    pictures.close()
    assert numbers == [0, 10, 20, 30]
    assert got.empty()


def test_while_one_is_encoded_only_the_newest_waits(pictures: LivePictures) -> None:
    maker = slow_down(pictures)
    got: queue.Queue[LivePicture] = queue.Queue()
    watches = [pictures.watch("door", 640, 1000, got.put) for _ in range(4)]
    for watch in watches[1:]:
        watch.take_turn(0)
    pictures.offer(shown(1))
    assert maker.begun.acquire()  # the first is in hand
    for number, watch in enumerate(watches[1:], 2):
        watch.request_next()
        pictures.offer(shown(number))
    maker.may.release(2)
    assert [got.get().frame for _ in range(4)] == [1, 4, 4, 4]
    assert (pictures.encoded, pictures.skipped) == (2, 2)


def test_a_frame_that_cannot_be_encoded_is_logged_and_the_next_one_arrives(
    pictures: LivePictures, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    got: queue.Queue[LivePicture] = queue.Queue()
    watch = pictures.watch("door", 640, 1000, got.put)
    made: Any = pictures._maker.make
    faults = iter([ValueError("odd"), None])

    def make(copy: Encodable, width: int) -> bytes:
        if fault := next(faults):
            raise fault
        return made(copy, width)

    monkeypatch.setattr(pictures._maker, "make", make)
    broken = shown(1)
    pictures.offer(ShownSlot(broken.meta, np.zeros(7, np.uint8)))  # fails in the thread that offers
    pictures.offer(shown(2))  # fails in the thread that encodes
    wait_until(lambda: watch._waits)
    pictures.offer(shown(3))
    assert got.get().frame == 3
    assert caplog.text.count("encoding a live picture failed") == 2


def test_a_viewer_that_leaves_receives_nothing(pictures: LivePictures) -> None:
    got: queue.Queue[int] = queue.Queue()
    first, second = (pictures.watch("door", 640, 1000, lambda picture: got.put(picture.frame)) for _ in range(2))
    pictures.unwatch(first)
    pictures.offer(shown(1))
    assert got.get() == 1
    pictures.unwatch(second)
    pictures.unwatch(second)
    second.request_next()
    pictures.offer(shown(2))
    assert pictures._watched == {}
    assert pictures.encoded == 1
