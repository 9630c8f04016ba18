"""Where cameras are, and which of their messages are handed out while they move."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

import support.engines.wire_messages as wire
from stream.fleet_directory.camera_moves import CameraMoves
from stream.results import Event, Frame, Place, Status


def of(message: Any, generation: int, **changes: Any) -> Any:
    return msgspec.structs.replace(message, generation=generation, **changes)


def place(generation: int, state: Any = "placed") -> Place:
    return Place(run="a" * 32, seq=0, camera="door", state=state, generation=generation, at_us=0)


def passes(moves: CameraMoves, message: Any) -> bool:
    """Whether a message is handed out that waits for nothing."""
    return moves.admits(message) and moves.hands_out(message)


def test_a_place_of_a_lower_generation_says_less_than_what_is_known() -> None:
    moves = CameraMoves()
    assert moves.learn(place(3))
    assert not moves.learn(place(2))
    assert moves.learn(place(3, "unplaced"))
    assert moves.place("door") == place(3, "unplaced")


def test_once_a_message_of_the_new_generation_has_arrived_those_of_the_old_one_are_stale() -> None:
    moves = CameraMoves()
    assert passes(moves, of(wire.frame("door"), 1))
    assert moves.admits(of(wire.frame("door"), 2))
    assert moves.generation("door") == 1
    assert not moves.admits(of(wire.frame("door"), 1))


def test_a_message_that_has_waited_until_its_camera_moved_is_stale() -> None:
    moves = CameraMoves()
    waiting = of(wire.frame("door"), 1)
    assert moves.admits(waiting)
    assert passes(moves, of(wire.frame("door"), 2))
    assert not moves.hands_out(waiting)


def test_a_new_engine_that_only_connects_does_not_end_the_old_placement() -> None:
    moves = CameraMoves()
    assert passes(moves, of(wire.frame("door"), 1))
    assert passes(moves, of(wire.status("door"), 2, state="connecting"))
    assert passes(moves, of(wire.event("door"), 1))
    assert not moves.admits(of(wire.status("door"), 1, state="removed"))
    assert passes(moves, of(wire.status("door"), 2, state="live"))
    assert not moves.admits(of(wire.frame("door"), 1))


def test_messages_of_a_removed_camera_are_stale_until_it_is_placed_again() -> None:
    moves = CameraMoves()
    moves.learn(place(2, "removed"))
    assert passes(moves, of(wire.frame("door"), 2))
    moves.end(place(2, "removed"))
    assert (moves.place("door"), moves.generation("door")) == (None, -1)
    assert not moves.admits(of(wire.frame("door"), 2))
    assert passes(moves, of(wire.frame("door"), 3))


def test_a_disabled_camera_keeps_its_place() -> None:
    moves = CameraMoves()
    moves.learn(place(2, "disabled"))
    moves.end(place(2, "disabled"))
    assert moves.place("door") == place(2, "disabled")


MESSAGES = st.lists(
    st.tuples(st.integers(1, 5), st.sampled_from(("frame", "event", "connecting", "live", "removed")), st.booleans()),
    max_size=60,
)
"""Generation, what is published, and whether it waits at its engine's connection, for a gap to be filled."""


@given(MESSAGES)
def test_what_is_handed_out_of_a_camera_never_goes_back(published: list[tuple[int, str, bool]]) -> None:
    moves = CameraMoves()
    waiting: dict[int, list[Any]] = {}
    handed_out: list[Frame | Event | Status] = []
    for generation, what, waits in published:
        message: Any = wire.frame("door") if what == "frame" else wire.event("door")
        if what not in ("frame", "event"):
            message = msgspec.structs.replace(wire.status("door"), state=what)
        message = of(message, generation)
        if not moves.admits(message):
            continue
        queue = waiting.setdefault(generation, [])
        queue.append(message)
        if not waits:
            handed_out += filter(moves.hands_out, queue)
            queue.clear()
    begun = [one.generation or 0 for one in handed_out if not isinstance(one, Status) or one.state == "live"]
    statuses = [one.generation or 0 for one in handed_out if isinstance(one, Status)]
    assert begun == sorted(begun)
    assert statuses == sorted(statuses)
