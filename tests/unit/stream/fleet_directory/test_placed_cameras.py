"""What an engine of a fleet may publish, and what waits for the directory to say so."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import support.engines.wire_messages as wire
from stream.fleet_directory.placed_cameras import HELD_S, PlacedCameras
from stream.messaging.gap_filling import Counts
from stream.results import Frame, Place
from stream.subscription.generations import CameraMessage

FAR = 2**52


class Link:
    """Takes messages of an engine as its reader does, at times that the test sets."""

    def __init__(self, most_held: int = 100) -> None:
        self.counts = Counts()
        self.now_s = 0.0
        self.cameras = PlacedCameras(self.counts, most_held, lambda: self.now_s)
        self.handed_out: list[CameraMessage] = []
        self.sent = 0

    def arrives(self, camera: str, generation: int | None) -> Frame:
        message = replace(wire.frame(camera), seq=self.sent, generation=generation)
        self.sent += 1
        if self.cameras.allows(message):
            self.handed_out.append(message)
        else:
            self.cameras.refuse(message)
        return message

    def is_placed(self, camera: str, generation: int) -> None:
        self.handed_out += self.cameras.add(camera, generation, "north")


def test_messages_pass_up_to_the_generation_of_the_place() -> None:
    link = Link()
    link.is_placed("door", 7)
    passed = [link.arrives("door", generation) for generation in (7, 6, 7)]
    link.arrives("door", 8)
    link.arrives("door", FAR)
    link.arrives("yard", 7)
    assert link.handed_out == passed
    assert (link.cameras.held, link.counts.misplaced) == (3, 0)


def test_what_came_before_its_place_is_handed_out_in_order_when_the_place_is_known() -> None:
    link = Link()
    early = [link.arrives("door", 7), link.arrives("door", 7), link.arrives("door", 8)]
    link.arrives("yard", 7)
    link.is_placed("door", 7)
    assert link.handed_out == early[:2]
    link.is_placed("door", 9)
    assert link.handed_out == early
    assert link.cameras.held == 1


def test_a_camera_that_has_left_may_still_be_published_with_its_generation_until_it_is_no_longer_followed() -> None:
    link = Link()
    link.is_placed("door", 7)
    link.is_placed("door", 6)
    last = link.arrives("door", 7)
    link.cameras.remove("door")
    link.arrives("door", 7)
    assert link.handed_out == [last]
    assert len(link.cameras) == 0


def test_what_waits_for_too_long_is_discarded_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    link = Link()
    link.is_placed("mine", 1)
    with caplog.at_level(logging.WARNING):
        for camera in ("door", "yard"):
            link.arrives(camera, FAR)
            link.arrives(camera, FAR)
        link.now_s = HELD_S
        link.arrives("mine", 1)
    assert (link.cameras.held, link.counts.misplaced) == (0, 4)
    assert [record.message for record in caplog.records] == [
        "engine north of the fleet publishes door, which it does not have, as the directory says: discarded"
    ]
    link.is_placed("door", FAR)
    assert len(link.handed_out) == 1


def test_an_engine_that_invents_cameras_fills_a_bounded_memory() -> None:
    link = Link(most_held=10)
    for number in range(1000):
        link.arrives(f"camera-{number}", 1)
    assert (link.cameras.held, link.counts.misplaced) == (10, 990)


def test_a_message_without_a_generation_and_a_place_are_discarded_at_once() -> None:
    link = Link()
    link.is_placed("door", 7)
    link.arrives("door", None)
    place = Place(run=wire.RUN, seq=0, camera="door", state="removed", generation=7, at_us=0)
    assert not link.cameras.allows(place)
    link.cameras.refuse(place)
    assert (link.handed_out, link.cameras.held, link.counts.misplaced) == ([], 0, 2)


def test_an_engine_tells_of_its_own_statistics_only() -> None:
    link = Link()
    link.is_placed("door", 7)
    for name, allowed in (("north", True), ("south", False), (None, False)):
        assert link.cameras.allows(replace(wire.stats(), engine=name)) is allowed
    link.cameras.refuse(wire.stats())
    assert link.counts.misplaced == 1


cameras, generations = st.sampled_from(["door", "yard", "gate"]), st.integers(0, 4)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("message"), cameras, generations),
        st.tuples(st.just("place"), cameras, generations),
        st.tuples(st.just("leave"), cameras, generations),
        st.tuples(st.just("wait"), cameras, st.integers(1, 40)),
    ),
    max_size=60,
)


def taken(link: Link, actions: Iterable[tuple[str, str, int]], *, slowly: bool = True) -> None:
    """Let an engine and its directory do this; nothing of a generation passes before a place had it."""
    told: dict[str, int] = {}
    for what, camera, number in actions:
        before = len(link.handed_out)
        if what == "message":
            link.arrives(camera, number)
        elif what == "place":
            told[camera] = max(number, told.get(camera, -1))
            link.is_placed(camera, number)
        elif what == "leave":
            told.pop(camera, None)
            link.cameras.remove(camera)
        elif slowly:
            link.now_s += number
        for message in link.handed_out[before:]:
            assert message.generation is not None and message.generation <= told.get(message.camera, -1)


@given(steps, st.integers(1, 8))
def test_nothing_passes_before_its_place_and_everything_is_handed_out_or_waits_or_is_counted(
    actions: list[tuple[str, str, int]], most_held: int
) -> None:
    link = Link(most_held)
    taken(link, actions)
    assert link.cameras.held <= most_held
    assert len(link.handed_out) + link.cameras.held + link.counts.misplaced == link.sent
    assert len({message.seq for message in link.handed_out}) == len(link.handed_out)


@given(steps)
def test_no_message_is_lost_and_each_generation_stays_in_order_if_places_come_in_time(
    actions: list[tuple[str, str, int]],
) -> None:
    link = Link()
    taken(link, actions, slowly=False)
    for camera in ("door", "yard", "gate"):
        link.is_placed(camera, 4)
    assert len(link.handed_out) == link.sent
    for camera in ("door", "yard", "gate"):
        for generation in range(5):
            of_it = [one.seq for one in link.handed_out if (one.camera, one.generation) == (camera, generation)]
            assert of_it == sorted(of_it)
