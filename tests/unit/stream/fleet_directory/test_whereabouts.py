"""Where cameras are, and which engines are followed for them."""

from __future__ import annotations

import pytest

from stream.fleet_directory.whereabouts import Whereabouts, followed
from stream.results import EngineAddress, Place

NORTH, SOUTH = (
    EngineAddress(name, name, name * 6 + "ab", f"tcp://{name}:1", f"tcp://{name}:2") for name in ("north", "south")
)


def place(
    generation: int, address: EngineAddress | None = NORTH, state: str = "placed", **more: EngineAddress
) -> Place:
    return Place(
        run="a" * 32,
        seq=0,
        camera="door",
        state=state,  # pyright: ignore[reportArgumentType]
        generation=generation,
        at_us=0,
        address=address,
        previous=more.get("previous"),
    )


def test_a_lower_generation_says_less_than_what_is_known() -> None:
    known = Whereabouts()
    assert known.learn(place(3))
    assert not known.learn(place(2, SOUTH))
    assert known.place("door") == place(3)


def test_a_change_within_a_generation_is_taken_over() -> None:
    known = Whereabouts()
    known.learn(place(3))
    assert known.learn(place(3, None, "unplaced"))
    assert known.place("door") == place(3, None, "unplaced")


def test_a_forgotten_camera_is_not_known() -> None:
    known = Whereabouts()
    known.learn(place(3))
    known.forget("door")
    assert known.place("door") is None
    assert len(known) == 0


@pytest.mark.parametrize(
    ("where", "generation", "engines", "source_too"),
    [
        (place(2, SOUTH, previous=NORTH), -1, [SOUTH, NORTH], True),
        (place(2, SOUTH, previous=NORTH), 1, [SOUTH, NORTH], True),
        (place(2, SOUTH, previous=NORTH), 2, [SOUTH], False),
        (place(2, SOUTH, previous=NORTH), 3, [SOUTH], False),
        (place(1), -1, [NORTH], True),
        (place(2, None, "unplaced", previous=NORTH), 1, [NORTH], True),
        (place(2, None, "unplaced"), 1, [], True),
        (place(2, None, "placed", previous=NORTH), 1, [NORTH], True),
        (place(2, None, "disabled", previous=NORTH), 1, [], False),
        (place(2, None, "removed", previous=NORTH), 1, [], False),
    ],
)
def test_the_old_engine_is_followed_until_the_new_one_publishes_the_camera(
    where: Place, generation: int, engines: list[EngineAddress], source_too: bool
) -> None:
    assert followed(where, generation) == (engines, source_too)
