"""When written actions hold, by examples."""

from __future__ import annotations

from typing import Any

import pytest

from stream.results import DetectedObject, Part, Person
from support.rules.steps import CAPTURE_US, S, Watch, at, person, rules


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


def part(name: str, x: float = 0, y: float = 0, score: float = 0.9, state: str = "", **fields: Any) -> Part:
    """Return a part whose middle is at x, y."""
    states = [(state, score)] if state else []
    return Part(name, (x - 4, y - 4, x + 4, y + 4), score if not state else 0.9, 0.5, states, **fields)


def body(*parts: Part, **fields: Any) -> Person:
    """Return a person 100 pixels tall."""
    return person(**({"parts": list(parts), "stature": 100.0} | fields))


HEAD = part("head")
HAND_AT_HEAD = {"part": "left_hand", "near": "head"}
HAND_UP = {"part": "left_hand", "above": "head"}
PHONE = {"part": "left_hand", "holds": "phone"}


@pytest.mark.parametrize(
    ("condition", "who", "expected"),
    [
        ({"action": "lie"}, person(action="lie", score=0.5), True),
        ({"action": "lie"}, person(action="lie", score=0.4999), False),
        ({"action": "lie", "score": 0.2}, person(action="lie", score=0.2), True),
        ({"action": "lie", "score": 0}, person(action="walk"), False),
        ({"action": ["fall", "lie"]}, person(action="lie"), True),
        ({"action": "lie"}, person(), False),
        ({"part": "head", "state": "nod"}, body(part("head", state="nod", score=0.5)), True),
        ({"part": "head", "state": "nod"}, body(part("head", state="nod", score=0.49)), False),
        ({"part": "head", "state": "nod", "score": 0.4}, body(part("head", state="nod", score=0.4)), True),
        ({"part": "head", "state": "nod"}, body(part("left_hand", state="nod")), False),
        (HAND_AT_HEAD, body(HEAD, part("left_hand", 9, 12)), True),  # 15 pixels are 0.15 statures
        (HAND_AT_HEAD, body(HEAD, part("left_hand", 9, 12.1)), False),
        (HAND_AT_HEAD | {"distance": 0.5}, body(HEAD, part("left_hand", 30, 40)), True),
        (HAND_AT_HEAD | {"distance": 0.5}, body(HEAD, part("left_hand", 30, 40.1)), False),
        (HAND_AT_HEAD, body(HEAD, part("left_hand"), stature=None), False),
        (HAND_AT_HEAD, body(part("left_hand")), False),
        (HAND_AT_HEAD, body(HEAD, part("left_hand", score=0.2)), True),
        (HAND_AT_HEAD, body(HEAD, part("left_hand", score=0.19)), False),
        (HAND_AT_HEAD, body(part("head", score=0.19), part("left_hand")), False),
        (HAND_AT_HEAD | {"score": 0.5}, body(HEAD, part("left_hand", score=0.49)), False),
        (HAND_UP, body(HEAD, part("left_hand", 50, 0)), True),
        (HAND_UP, body(HEAD, part("left_hand", 50, 0.1)), False),
        (HAND_UP | {"by": 0.1}, body(HEAD, part("left_hand", 0, -10)), True),
        (HAND_UP | {"by": 0.1}, body(HEAD, part("left_hand", 0, -9.9)), False),
        (HAND_UP | {"by": -0.1}, body(HEAD, part("left_hand", 0, 10)), True),
        (HAND_UP, body(HEAD), False),
        (PHONE, body(part("left_hand", holds="phone")), True),
        (PHONE, body(part("left_hand", holds="cup")), False),
        (PHONE, body(part("right_hand", holds="phone"), part("left_hand")), False),
        (PHONE | {"holds": "any"}, body(part("left_hand", holds="cup")), True),
        (PHONE | {"holds": "any"}, body(part("left_hand")), False),
        ({"posture": "upright"}, person(trunk=29.9), True),
        ({"posture": "upright"}, person(trunk=30), False),
        ({"posture": "leaning"}, person(trunk=30), True),
        ({"posture": "leaning"}, person(trunk=60), False),
        ({"posture": "level"}, person(trunk=60), True),
        ({"posture": "level"}, person(trunk=180), True),
        ({"posture": "level"}, person(), False),
        ({"not": {"posture": "level"}}, person(), True),
        ({"hips": {"at_most": 0.3}}, person(hips=0.3), True),
        ({"hips": {"at_most": 0.3}}, person(hips=0.31), False),
        ({"hips": {"at_least": 0.3, "at_most": 0.3}}, person(hips=0.3), True),
        ({"hips": {"at_most": 0.3}}, person(), False),
        ({"speed": {"at_least": 1}}, person(speed=1), True),
        ({"speed": {"at_least": 1}}, person(speed=0.99), False),
        ({"all": [HAND_UP, HAND_AT_HEAD]}, body(HEAD, part("left_hand", 0, -16)), False),
        ({"all": [HAND_UP, HAND_AT_HEAD]}, body(HEAD, part("left_hand", 0, -15)), True),
        ({"any": [HAND_UP, HAND_AT_HEAD]}, body(HEAD, part("left_hand", 0, -16)), True),
        ({"any": [HAND_UP, HAND_AT_HEAD]}, body(HEAD, part("left_hand", 0, 16)), False),
        ({"all": [{"action": "lie"}, {"not": {"action": "lie", "score": 0.9}}]}, person(action="lie"), True),
        ({"all": [{"action": "lie"}], "score": 0.9}, person(action="lie"), False),
        ({"all": [{"action": "lie", "score": 0.8}], "score": 0.9}, person(action="lie"), True),
    ],
)
def test_each_test_at_its_limit_and_beside_it(condition: dict[str, Any], who: Person, expected: bool) -> None:
    assert holds(condition, (0, who)) == [expected]


@pytest.mark.parametrize(
    ("x", "y", "expected"), [(35, 5, True), (15.1, 5, True), (4.9, 5, False), (29, 22, True), (29, 25.1, False)]
)
def test_a_hand_is_near_an_object_if_it_is_near_a_point_of_its_box(x: float, y: float, expected: bool) -> None:
    watch = Watch(rules(actions={"it": {"part": "left_hand", "near_object": "phone"}}))
    found = (DetectedObject("phone", (20.0, 0.0, 40.0, 10.0), 0.9), DetectedObject("cup", (0.0, 20.0, 9.0, 29.0), 0.9))
    assert watch.holds([at(0, body(part("left_hand", x, y)))._replace(objects=found)]) == [expected]
    assert watch.holds([at(0, body(part("left_hand", x, y)))._replace(objects=found[1:])]) == [False]


def test_for_bridges_an_interruption_of_less_than_half_a_second() -> None:
    lying = {"action": "lie", "for": "1s"}
    assert holds(lying, (0, LIE), (0.9, LIE), (1, LIE)) == [False, False, True]
    assert holds(lying, (0, LIE), (0.8, LIE), (1, WALK), (1.2, LIE)) == [False, False, False, True]
    assert holds(lying, (0, LIE), (0.8, LIE), (1, WALK), (1.3, LIE)) == [False, False, False, False]
    assert holds(lying, (0, LIE), (1, LIE), (1.4, WALK), (1.5, WALK)) == [False, True, True, False]
    assert holds({"action": "lie"}, (0, LIE), (0.1, WALK), (0.2, LIE)) == [True, False, True]


def test_for_goes_on_while_a_person_is_not_seen_for_up_to_three_seconds() -> None:
    watch = Watch(rules(actions={"it": {"action": "lie", "for": "2s"}}))
    assert watch.holds([at(0, LIE), at(1), at(2), at(3, LIE)]) == [False, False, False, True]
    assert watch.holds([at(4), at(6), at(6.001, LIE)]) == [False, False, False], "seen as new after 3.001 s"


def test_a_written_action_has_the_score_of_its_weakest_part_and_says_since_when_it_holds_and_why() -> None:
    call = {"all": [HAND_UP, {"any": [{"part": "right_hand", "above": "head"}, HAND_AT_HEAD]}], "for": "1s"}
    watch = Watch(rules(actions={"call": call, "up": HAND_UP}))
    raised = body(HEAD, part("left_hand", 0, -9, score=0.61234), part("right_hand", 0, -40, score=0.7))
    assert [one.label for one in watch.findings(at(0, raised)).actions[1]] == ["up"]
    (action, up) = watch.findings(at(1, raised)).actions[1]
    assert (action.label, action.score, action.source, action.since_us) == ("call", 0.6123, "rule", CAPTURE_US)
    assert action.parts == ["left_hand", "right_hand"] and up.parts == ["left_hand"]


def test_written_actions_may_be_used_in_others_and_need_no_score_there() -> None:
    watch = Watch(
        rules(
            actions={
                "it": {"all": [{"action": "weak"}, {"not": {"action": "strong"}}]},
                "strong": {"action": "weak", "score": 0.9},
                "weak": {"action": "lie", "score": 0.1},
            }
        )
    )
    assert watch.holds([at(0, person(action="lie", score=0.2)), at(1, person(action="lie", score=0.9))]) == [
        True,
        False,
    ]


def test_then_may_have_several_steps_each_within_the_time_of_the_one_before() -> None:
    rise = {"then": [{"action": "lie"}, {"action": "walk"}, {"action": "stand"}], "within": "1s"}
    assert holds(rise, (0, LIE), (1, WALK), (2, WALK), (3, STAND), (4, STAND)) == [False] * 3 + [True] * 2
    assert holds(rise, (0, LIE), (1.1, WALK), (2, STAND)) == [False] * 3, "the second step came too late"
    assert holds(rise, (0, LIE), (1, STAND), (2, WALK), (2.5, STAND)) == [False] * 4, "the second step is missing"


def test_a_frame_that_is_older_than_one_before_it_changes_nothing() -> None:
    watch = Watch(rules(actions={"it": {"action": "lie", "for": "1s"}}))
    assert watch.holds([at(1, LIE), at(0.5, WALK), at(2, LIE)]) == [False, False, True]
    assert watch.findings(at(1.9, LIE)) == ({}, [])
    assert watch.holds([at(3 * S, LIE)]) == [False], "nothing is known of the time between"
