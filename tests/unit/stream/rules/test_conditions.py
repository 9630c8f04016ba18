"""When written actions hold, by examples."""

from __future__ import annotations

from typing import Any

from stream.results import Person
from support.rules.steps import Watch, at, person, rules


def holds(condition: dict[str, Any], *people: tuple[float, Person]) -> list[bool]:
    """Return in which frames a condition holds. `people`: the seconds of each frame, and who is in it."""
    return Watch(rules(actions={"it": condition})).holds([at(seconds, one) for seconds, one in people])


WALK, LIE, STAND = (person(action=action, trunk=trunk) for action, trunk in (("walk", 0), ("lie", 80), ("stand", 0)))
COLLAPSE = {"then": [{"action": "walk"}, {"action": "lie"}], "within": "3s"}


def test_then_holds_from_when_the_second_begins_soon_enough_after_the_first_ended_for_as_long_as_it_holds() -> None:
    found = holds(COLLAPSE, (0, WALK), (1, STAND), (3, LIE), (5, LIE), (7, LIE), (8, STAND))
    assert found == [False, False, True, True, True, False]
    assert holds(COLLAPSE, (0, WALK), (1, STAND), (3.001, LIE)) == [False, False, False]
    assert holds(COLLAPSE, (0, LIE), (1, WALK), (2, STAND)) == [False, False, False]


def test_a_condition_that_has_held_all_the_time_follows_nothing() -> None:
    jerks = {"then": [{"speed": {"at_least": 1}}, {"posture": "level"}], "within": "3s"}
    fast, level, upright = person(speed=2, trunk=80), person(speed=0, trunk=80), person(speed=2, trunk=0)
    assert holds(jerks, (0, level), (1, fast), (2, level)) == [False, False, False]
    assert holds(jerks, (0, fast), (1, level)) == [False, False], "both began in the same frame"
    assert holds(jerks, (0, upright), (1, fast), (2, level)) == [False, True, True]
