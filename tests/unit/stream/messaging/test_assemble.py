"""The message about a frame: what the detector looked at, and what hands hold."""

from __future__ import annotations

import msgspec
import pytest

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.looks import NOTHING, SKIPPED, WHOLE, Look, Region, look_at
from stages.types import FrameAnalysis, PartAnalysis, PersonAnalysis
from stream.messaging.assemble import capture_time_of, frame_message
from stream.results import Frame, ModelRef, decode


def message(look: Look, size: tuple[int, int], picture: tuple[int, int]) -> Frame:
    """Return the message about a frame of an epoch of `size`, whose own picture is `picture` large."""
    format = SlotFormat("planes", picture, picture)
    meta = FrameMeta("door", 1, 0, 0, 0, "media", 0, 0, size, format)
    return frame_message(meta, FrameAnalysis(look=look), ModelRef("edge", "", True))


@pytest.mark.parametrize("look", [WHOLE, NOTHING, SKIPPED])
def test_a_look_without_regions_is_named_and_a_whole_picture_is_left_out(look: Look) -> None:
    body = msgspec.to_builtins(message(look, (640, 480), (640, 480)))
    assert "regions" not in body
    assert body.get("look") == (None if look is WHOLE else look.kind)


def test_regions_are_boxes_in_the_picture_even_where_the_square_reaches_beyond_it() -> None:
    look = look_at([Region(0, 16, 160), Region(480, 320, 256)])
    found = message(look, (640, 480), (640, 480))
    assert found.look == "regions"
    assert found.regions == [(0, 16, 160, 176), (480, 320, 640, 480)]


def test_a_view_that_is_searched_is_a_region_unless_the_whole_picture_is_looked_at() -> None:
    view, size = Region(0, 0, 640), (640, 480)
    for look in (NOTHING, look_at([Region(0, 16, 160)])):
        found = message(look.with_search(view), size, size)
        assert found.look == "regions" and found.regions[-1] == (0, 0, 640, 480)
        assert len(found.regions) == len(look.regions) + 1
    assert message(WHOLE.with_search(view), size, size) == message(WHOLE, size, size)


def test_regions_are_in_pixels_of_the_epochs_first_picture_as_all_boxes() -> None:
    found = message(look_at([Region(160, 0, 320)]), (1280, 960), (640, 480))
    assert found.regions == [(320, 0, 960, 640)]


def test_the_message_of_an_older_engine_is_read_as_a_look_at_the_whole_picture() -> None:
    body = msgspec.to_builtins(message(NOTHING, (640, 480), (640, 480)))
    del body["look"]
    read = decode(msgspec.json.encode(body))
    assert isinstance(read, Frame) and read.look == "whole" and read.regions == []


def test_a_hand_names_what_it_holds_and_other_parts_have_no_such_field() -> None:
    box = (0.0, 0.0, 9.0, 9.0)
    parts = [PartAnalysis("left_hand", box, 0.9, 0.5, [], "cup"), PartAnalysis("head", box, 0.9, 0.1, [])]
    meta = FrameMeta("door", 1, 0, 0, 0, "media", 0, 0, (64, 48), SlotFormat("planes", (64, 48), (64, 48)))
    found = frame_message(meta, FrameAnalysis([PersonAnalysis(1, box, 0.9, None, parts)]), ModelRef("edge", "", True))
    hand, head = msgspec.to_builtins(found)["people"][0]["parts"]
    assert hand["holds"] == "cup" and "holds" not in head


def test_what_began_before_1970_by_a_clock_that_is_not_set_began_in_1970() -> None:
    meta = FrameMeta(
        "door", 1, 9, 5_000_000, 3_000_000, "arrival", 0, 0, (64, 48), SlotFormat("planes", (64, 48), (64, 48))
    )
    assert [capture_time_of(meta, media_us) for media_us in (4_000_000, 1_000_000)] == [2_000_000, 0]
