"""Pictures of frames that begin something: taken at once, encoded later, bounded; and drawn on."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from ring_buffers.frames import FrameMeta, SlotFormat
from stream.incidents import pictures as module
from stream.incidents.incident import Picture
from stream.incidents.overlay_picture import with_overlay
from stream.incidents.pictures import FramePictures, MemoryPictures
from stream.privacy.shown import ShownSlot
from stream.results import Alert, Event, Frame
from support.engines.wire_messages import frame as waving
from support.incidents import alert, event, frame
from support.waiting import PATIENCE_S, wait_until

FORMAT = SlotFormat("rgb24", (64, 48), (64, 48))


def shown(number: int) -> ShownSlot:
    meta = FrameMeta("door", 1, number, number * 40_000, number, "arrival", 0, 0, (64, 48), FORMAT)
    return ShownSlot(meta, np.full(FORMAT.shape, number % 256, np.uint8))


class SlowlyKept(MemoryPictures):
    """Keeps pictures of alerts and events, each when the test permits it."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Semaphore(0)

    def wants(self, message: Alert | Event) -> bool:
        return True

    def keep(self, ids: Sequence[str], result: Frame, jpeg: bytes) -> None:
        assert self.may.acquire()
        super().keep(ids, result, jpeg)


def test_a_picture_is_of_the_slot_as_it_was_though_it_is_encoded_later() -> None:
    kept = SlowlyKept()
    pictures, taken = FramePictures(kept), shown(200)
    pictures.take([alert(1), event(1)], taken, frame(1))
    taken._picture[:] = 0  # the ring uses the slot again
    assert pictures.picture("0123abcd-1") == pictures.picture("e0123abcd-1") == "waiting"
    kept.may.release()
    found = wait_until(lambda: isinstance(one := pictures.picture("0123abcd-1"), Picture) and one)
    assert isinstance(found, Picture) and found == pictures.picture("e0123abcd-1")
    seen = np.asarray(Image.open(io.BytesIO(found.jpeg)))
    assert seen.shape == (48, 64, 3) and np.all(np.abs(seen.astype(int) - 200) < 5)
    pictures.close()


def test_without_a_store_only_alerts_that_begin_have_pictures_and_the_latest_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_IN_MEMORY", 2)
    pictures = FramePictures(MemoryPictures())
    for number in (1, 2, 3):
        pictures.take([alert(number), alert(9, "updated"), event(number)], shown(number), frame(number))
        wait_until(lambda: not pictures._waiting and not pictures._encoding)
    assert pictures.kept.with_pictures([f"0123abcd-{number}" for number in (1, 2, 3, 9)]) == {
        "0123abcd-2",
        "0123abcd-3",
    }
    assert pictures.picture("e0123abcd-3") == "unknown"
    pictures.close()


def test_copies_that_wait_are_bounded_and_leave_room_for_alerts() -> None:
    kept = SlowlyKept()
    pictures = FramePictures(kept)
    pictures.take([event(0)], shown(0), frame(0))
    wait_until(lambda: bool(pictures._encoding))
    for number in range(1, 101):
        pictures.take([event(number)], shown(number), frame(number))
    assert len(pictures._waiting) == module.MOST_WAITING_EVENTS
    for number in range(1, 101):
        pictures.take([alert(number)], shown(number), frame(number))
    assert len(pictures._waiting) == module.MOST_WAITING
    assert pictures.dropped == {"event": 92, "alert": 92}
    kept.may.release(200)
    pictures.close(PATIENCE_S)
    assert len(kept.with_pictures([f"0123abcd-{number}" for number in range(1, 101)])) == 8, "none is lost at the end"


def test_a_picture_that_cannot_be_taken_is_counted_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    pictures = FramePictures(MemoryPictures())
    broken = ShownSlot(shown(1).meta, np.zeros((3, 5), np.uint8))
    pictures.take([alert(1)], broken, frame(1))
    pictures.take([alert(2)], shown(2), frame(2))
    wait_until(lambda: isinstance(pictures.picture("0123abcd-2"), Picture))
    assert pictures.dropped == {"alert": 1} and "taking a picture of frame 1 failed" in caplog.text
    pictures.close()


def test_an_overlay_is_drawn_where_people_are_and_leaves_the_rest() -> None:
    grey = io.BytesIO()
    Image.new("RGB", (1280, 720), (90, 90, 90)).save(grey, "JPEG", quality=95)
    drawn = Image.open(io.BytesIO(with_overlay(Picture(grey.getvalue(), waving()))))
    difference = np.abs(np.asarray(drawn.convert("L")).astype(int) - 90)
    assert drawn.size == (1280, 720)
    assert difference[110:650, 400:600].max() > 60 and difference[:, :100].max() < 5
    with pytest.raises(ValueError, match="no result"):
        with_overlay(Picture(grey.getvalue(), None))
    with pytest.raises(OSError, match="cannot identify"):
        with_overlay(Picture(b"no picture", waving()))
