"""The rule by which messages of several engines become one sequence for each camera."""

from __future__ import annotations

from collections import Counter
from typing import TypeGuard

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import support.engines.wire_messages as wire
from stream.fleet_directory.merging import CAMERAS_ENDED, Handover, Merging, Moved
from stream.results import Event, Frame, Message, Status


def frame(generation: int | None, number: int = 0, run: str = "a") -> Frame:
    return msgspec.structs.replace(wire.frame("door", number=number), generation=generation, run=run)


def event(generation: int, number: int = 0) -> Event:
    return msgspec.structs.replace(wire.event("door", number=number), generation=generation)


def status(generation: int, state: str, number: int = 0) -> Status:
    return msgspec.structs.replace(wire.status("door"), generation=generation, state=state, seq=number)


def moving() -> Merging[str]:
    """Return the state after the first message of a higher generation, from another engine."""
    merging = Merging[str]()
    assert merging.route("north", frame(1)) == "first"
    assert merging.route("south", frame(2)) == "hand over"
    return merging


def test_messages_of_one_engine_pass() -> None:
    merging = Merging[str]()
    assert [merging.route("north", frame(3, number)) for number in range(3)] == ["first", "pass", "pass"]
    assert (merging.generation("door"), merging.source("door")) == (3, "north")


def test_messages_of_engines_outside_a_fleet_pass() -> None:
    merging = Merging[str]()
    assert merging.route("north", frame(None)) == "pass"
    assert merging.route("north", wire.stats()) == "pass"
    assert merging.admits(frame(None)) and merging.admits(wire.stats())
    assert len(merging) == 0


def test_a_higher_generation_is_held_while_the_old_one_still_passes() -> None:
    merging = moving()
    assert merging.route("south", frame(2, 1)) == "hold"
    assert merging.route("north", frame(1, 1)) == "pass"
    assert merging.handover("door") == Handover("door", "north", 1, "south", 2)
    assert merging.held("door") == [frame(2), frame(2, 1)]


def test_after_the_handover_the_old_generation_is_discarded() -> None:
    merging = moving()
    assert merging.hand_over("door") == [frame(2)]
    assert merging.handover("door") is None
    assert not merging.admits(frame(1, 1))
    assert merging.route("north", frame(1, 1)) == "drop"
    assert merging.route("south", frame(2, 1)) == "pass"


def test_once_complete_the_old_generation_is_discarded_before_the_handover_ends() -> None:
    merging = moving()
    merging.complete("door")
    assert not merging.admits(frame(1, 1))
    assert merging.route("north", frame(1, 1)) == "drop"
    assert merging.route("south", frame(2, 1)) == "hold"
    merging.hand_over("door")
    assert merging.admits(frame(2, 2))


def test_a_third_engine_takes_over_after_the_second() -> None:
    merging = moving()
    assert merging.route("west", frame(3)) == "hold"
    assert merging.route("south", frame(2, 1)) == "hold"
    assert merging.hand_over("door") == [frame(2), frame(2, 1)]
    assert merging.handover("door") == Handover("door", "south", 2, "west", 3)
    assert merging.hand_over("door") == [frame(3)]
    assert merging.handover("door") is None


def test_a_camera_that_only_connects_does_not_replace_one_that_is_live() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1))
    assert merging.route("south", status(2, "connecting")) == "pass"
    assert merging.route("north", frame(1, 1)) == "pass"
    assert merging.route("north", status(1, "removed")) == "drop"
    assert merging.route("south", status(2, "live")) == "hand over"


@pytest.mark.parametrize(("run", "lost"), [("a", 0), ("b", None)])
def test_a_new_generation_of_the_same_engine_is_a_move_without_a_handover(run: str, lost: int | None) -> None:
    merging = Merging[str]()
    merging.route("north", frame(1, run="a"))
    assert merging.route("north", frame(2, run=run)) == Moved("door", 1, 2, lost)
    assert merging.route("north", frame(2, 1, run=run)) == "pass"


def test_messages_of_a_removed_camera_are_discarded_until_it_is_placed_again() -> None:
    merging = moving()
    merging.ended("door", 2)
    merging.complete("door")
    assert merging.hand_over("door") == []
    assert merging.route("south", frame(2)) == "drop"
    assert merging.route("north", frame(3)) == "first"


def test_removed_cameras_do_not_accumulate() -> None:
    merging = Merging[str]()
    for number in range(CAMERAS_ENDED + 10):
        name = f"cam{number}"
        merging.route("north", msgspec.structs.replace(frame(1), camera=name))
        merging.ended(name, 1)
    assert len(merging) == 0
    assert merging.route("north", msgspec.structs.replace(frame(1), camera="cam0")) == "first"
    assert merging.route("north", msgspec.structs.replace(frame(1), camera="cam4000")) == "drop"


def shows(message: Message) -> TypeGuard[Status]:
    return isinstance(message, Status) and message.state == "live"


STATES = ("connecting", "live", "stalled", "removed")
PUBLISHED = st.tuples(st.integers(1, 6), st.sampled_from(("frame", "event", *STATES)))
"""Generation, and what is published."""
STEPS = st.lists(st.one_of(PUBLISHED, st.sampled_from(("complete", "hand over"))), max_size=60)


@given(STEPS)
def test_no_reader_goes_back_and_nothing_is_handed_out_twice_or_out_of_order(
    steps: list[tuple[int, str] | str],
) -> None:
    """Each generation is published by one engine; odd and even ones by the same two, or all by different ones."""
    merging = Merging[int]()
    handed: list[Message] = []
    sent: list[Message] = []
    for step in steps:
        if step == "complete":
            if merging.handover("door") is not None:
                merging.complete("door")
        elif step == "hand over":
            handed += merging.hand_over("door")
        elif isinstance(step, tuple):
            generation, what = step
            number = len(sent)
            message = (
                frame(generation, number)
                if what == "frame"
                else event(generation, number)
                if what == "event"
                else status(generation, what, number)
            )
            sent.append(message)
            admitted = merging.admits(message)
            current, announced = merging.generation("door"), merging.handover("door")
            route = merging.route(generation, message)
            assert admitted == (route != "drop")
            if generation == current and announced is None and what in ("frame", "event"):
                assert route == "pass"
            if generation > current and what in ("frame", "event", "live"):
                assert route != "drop" or what == "live"
            if route in ("pass", "first") or isinstance(route, Moved):
                handed.append(message)
    while merging.handover("door") is not None:
        handed += merging.hand_over("door")
    assert merging.held("door") == []
    pictures = [one.generation for one in handed if isinstance(one, Frame | Event) or shows(one)]
    statuses = [one.generation for one in handed if isinstance(one, Status)]
    for seen in (pictures, statuses):
        numbers = [one for one in seen if one is not None]
        assert numbers == sorted(numbers) and len(numbers) == len(seen)
    assert max(Counter(map(id, handed)).values(), default=1) == 1
    for generation in range(1, 7):
        of_one = [one for one in sent if getattr(one, "generation", None) == generation]
        order = {id(one): position for position, one in enumerate(of_one)}
        positions = [order[id(one)] for one in handed if id(one) in order]
        assert positions == sorted(positions)
    if pictures:
        assert merging.generation("door") == pictures[-1]
