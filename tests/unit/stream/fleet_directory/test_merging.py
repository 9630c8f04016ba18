"""The rule by which messages of several engines become one sequence for each camera."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeGuard

import msgspec
from hypothesis import given
from hypothesis import strategies as st

import support.engines.wire_messages as wire
from stream.fleet_directory.merging import CAMERAS_ENDED, Handover, Merging, Moved, Reached
from stream.results import Event, Frame, Received, Status
from stream.subscription.subscription import CameraMessage


def frame(generation: int | None, number: int = 0, run: str = "a") -> Frame:
    return msgspec.structs.replace(wire.frame("door", number=number), generation=generation, run=run, seq=number)


def event(generation: int, number: int = 0) -> Event:
    return msgspec.structs.replace(wire.event("door", number=number), generation=generation, run="a", seq=number)


def status(generation: int, state: str, number: int = 0) -> Status:
    return msgspec.structs.replace(wire.status("door"), generation=generation, state=state, run="a", seq=number)


def moving() -> Merging[str]:
    """Return the state after the first message of a higher generation, from another engine."""
    merging = Merging[str]()
    assert merging.route("north", frame(1)) == "first"
    assert merging.route("south", frame(2)) == "hand over"
    return merging


def hand_over(merging: Merging[Any], begun: Handover[Any] | None = None) -> list[CameraMessage]:
    """End the handover of the camera that was begun, by default the next one, if there is one."""
    handover = begun or merging.handover("door")
    return merging.hand_over(handover) if handover is not None else []


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
    assert merging.held("door") == [("south", frame(2)), ("south", frame(2, 1))]


def test_after_the_handover_the_old_generation_is_discarded() -> None:
    merging = moving()
    assert hand_over(merging) == [frame(2)]
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
    hand_over(merging)
    assert merging.admits(frame(2, 2))


def test_a_third_engine_takes_over_after_the_second() -> None:
    merging = moving()
    assert merging.route("west", frame(3)) == "hold"
    assert merging.route("south", frame(2, 1)) == "hold"
    assert hand_over(merging) == [frame(2), frame(2, 1)]
    assert merging.handover("door") == Handover("door", "south", 2, "west", 3)
    assert hand_over(merging) == [frame(3)]
    assert merging.handover("door") is None


def test_of_two_generations_that_are_held_the_lower_one_is_handed_out_first() -> None:
    """Engines are read independently, so the messages of the next but one may come first."""
    merging = Merging[str]()
    merging.route("north", frame(1))
    assert merging.route("west", status(3, "live")) == "hand over"
    assert merging.route("south", status(2, "live")) == "hold"
    assert merging.handover("door") == Handover("door", "north", 1, "south", 2)
    assert hand_over(merging) == [status(2, "live")]
    assert merging.handover("door") == Handover("door", "south", 2, "west", 3)
    assert hand_over(merging) == [status(3, "live")]


def test_a_generation_that_arrives_after_a_handover_over_it_has_begun_is_discarded() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1))
    merging.route("west", frame(3))
    begun = merging.handover("door")
    assert begun == Handover("door", "north", 1, "west", 3)
    assert merging.route("south", frame(2)) == "hold"
    assert hand_over(merging, begun) == [frame(3)]
    assert merging.waiting("door") == 0


def test_what_was_handed_out_of_the_generation_is_known_by_kind() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1, 7))
    merging.route("south", status(2, "connecting", 4))
    assert merging.reached("door", "results") == Reached("a", 1, 8)
    assert merging.reached("door", "events") is merging.reached("door", "status") is None
    merging.route("south", frame(2, 3, run="b"))
    merging.route("north", event(1, 2))
    merging.complete("door")
    merging.route("north", frame(1, 8))
    assert merging.recovered(frame(1, 9))
    assert (merging.reached("door", "results"), merging.reached("door", "events")) == (("a", 1, 10), ("a", 1, 3))
    hand_over(merging)
    assert merging.reached("door", "results") == Reached("b", 1, 4)
    assert merging.reached("door", "events") == Reached("b", 1, 0)
    merging.route("south", frame(2, 4, run="b"))
    assert merging.reached("door", "results") == Reached("b", 1, 5)


def test_the_first_message_of_a_kind_is_late_if_earlier_ones_were_published_since_the_generation_began() -> None:
    merging = moving()
    assert merging.route("north", event(1, 5)) == "pass"  # the first generation was read from its middle
    hand_over(merging)
    assert merging.route("south", frame(2, 1)) == "pass"
    assert merging.route("south", event(2, 3)) == "late"
    assert merging.recovered(event(2, 2))
    merging.beginning_asked(event(2, 3))
    assert merging.reached("door", "events") == Reached("a", 1, 3)
    assert merging.route("south", event(2, 3)) == "pass"
    assert merging.route("south", event(2, 5)) == "pass"  # from here on, the numbering shows what is missing
    assert merging.route("west", frame(3)) == "hand over"
    merging.complete("door")
    merging.beginning_asked(event(2, 3))
    assert merging.reached("door", "events") == Reached("a", 1, 6)


def test_a_status_that_is_requested_of_the_old_engine_does_not_follow_one_of_the_new() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1))
    merging.route("south", status(2, "connecting"))
    merging.route("south", frame(2))
    assert not merging.recovered(status(1, "removed", 1))
    assert merging.recovered(frame(1, 1)) and merging.recovered(status(2, "live"))


def test_a_camera_that_only_connects_does_not_replace_one_that_is_live() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1))
    assert merging.route("south", status(2, "connecting")) == "pass"
    assert merging.route("north", frame(1, 1)) == "pass"
    assert merging.route("north", status(1, "removed")) == "drop"
    assert merging.route("south", status(2, "live")) == "hand over"


def test_a_new_generation_of_the_same_engine_is_a_handover() -> None:
    """The engine may have published more of the lower generation, and a generation of another engine may lack."""
    merging = Merging[str]()
    merging.route("north", frame(1))
    assert merging.route("north", frame(2)) == "hand over"
    assert merging.handover("door") == Handover("door", "north", 1, "north", 2)
    assert hand_over(merging) == [frame(2)]


def test_a_new_run_of_the_same_engine_is_a_move_with_an_unknown_loss() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1, run="a"))
    assert merging.route("north", frame(2, run="b")) == Moved("door", 1, 2, None)
    assert merging.route("north", frame(2, 1, run="b")) == "pass"


def test_a_reader_opened_again_during_a_handover_goes_on_with_the_new_engine_and_does_not_go_back() -> None:
    merging = moving()
    merging.complete("door")
    merging.reopened()
    assert (merging.waiting("door"), merging.handover("door"), merging.source("door")) == (0, None, None)
    assert merging.route("new north", frame(0)) == "drop"
    assert merging.route("new north", frame(1, 1)) == "pass"
    assert merging.route("new south", frame(2, 1, run="b")) == "hand over"
    assert merging.handover("door") == Handover("door", "new north", 1, "new south", 2)
    assert hand_over(merging) == [frame(2, 1, run="b")]
    assert merging.route("new south", frame(2, 2, run="b")) == "pass"
    assert merging.route("new north", frame(1, 2)) == "drop"


def test_after_a_status_a_reader_opened_again_has_the_end_of_the_next_move_requested() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1))
    merging.reopened()
    assert merging.route("new north", status(1, "live")) == "pass"
    assert merging.route("new south", frame(2, run="b")) == "hand over"


def test_what_was_missed_while_a_reader_was_closed_is_not_known() -> None:
    merging = Merging[str]()
    merging.route("north", frame(1, run="a"))
    merging.reopened()
    assert merging.route("new north", frame(2, run="a")) == Moved("door", 1, 2, None)


def test_messages_of_a_removed_camera_are_discarded_until_it_is_placed_again() -> None:
    merging = moving()
    begun = merging.handover("door")
    assert begun is not None
    merging.ended("door", 2)
    merging.complete("door")
    assert merging.hand_over(begun) == []
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


def shows(message: Received) -> TypeGuard[Status]:
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
    handed: list[Received] = []
    sent: list[Received] = []
    for step in steps:
        if step == "complete":
            if merging.handover("door") is not None:
                merging.complete("door")
        elif step == "hand over":
            handed += hand_over(merging)
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
            if route == "late":
                merging.beginning_asked(message)
                route = merging.route(generation, message)
            assert admitted == (route != "drop")
            if generation == current and announced is None and what in ("frame", "event"):
                assert route == "pass"
            if generation > current and what in ("frame", "event", "live"):
                assert route != "drop" or what == "live"
            if route in ("pass", "first") or isinstance(route, Moved):
                handed.append(message)
    while merging.handover("door") is not None:
        handed += hand_over(merging)
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
