"""When alerts begin, are updated and are cleared, by examples."""

from __future__ import annotations

import gc
from itertools import pairwise
from types import FunctionType, ModuleType
from typing import Any

import pytest

from stream.rules.evaluator import MOST_OPEN
from support.rules.steps import CAPTURE_US, S, Watch, at, person, rules, told


def test_of_two_frames_with_equal_times_the_second_counts() -> None:
    watch = Watch(rules(rules={"lying": {"action": "lie", "clear_after": "0s"}}))
    frames = [at(0, person(action="lie")), at(0, person(action="walk"))]
    assert told(watch.alerts(frames)) == ["0 began lying 1", "0 cleared lying 1 over"]


def test_a_cooldown_goes_on_in_a_new_epoch_by_the_clock_and_ends_though_the_clock_was_set_back() -> None:
    watch = Watch(rules(rules={"lying": {"action": "lie", "cooldown": "10s"}}))
    lying = person(action="lie")
    clock = CAPTURE_US + 100 * S
    assert told(watch.alerts([at(50, capture_us=clock), at(51, lying, capture_us=clock + S)])) == ["101 began lying 1"]
    # 4 seconds pass in the first epoch, 3 between the epochs, 3 in the second.
    watch.alerts([at(53, lying, capture_us=clock), at(55, lying, capture_us=clock)])
    frames = [at(second, lying, epoch=2, capture_us=clock + (second + 3) * S) for second in range(4)]
    assert told(watch.alerts(frames)) == ["100 cleared lying 1 epoch", "106 began lying 1"]
    set_back = [at(second, lying, epoch=3, capture_us=clock - 3600 * S) for second in range(0, 15, 2)]
    assert told(watch.alerts(set_back)) == ["106 cleared lying 1 epoch", "-3500 began lying 1"]


def test_a_person_who_crosses_a_line_after_a_stay_in_a_zone_meets_both_conditions() -> None:
    watch = Watch(rules(rules={"after": {"crosses": "fence", "zone": ["desk", "hall"], "dwell": "2s"}}))
    inside, crossing = person(zones=["hall"]), person(zones=["hall"], crossed=[("fence", "left")])
    assert told(watch.alerts([at(0, inside), at(1, crossing), at(2, crossing)])) == ["2 began after 1"]


def test_only_a_person_who_was_seen_outside_enters_and_only_one_who_is_seen_outside_leaves() -> None:
    watch = Watch(rules(rules={"in": {"enters": "hall"}, "out": {"leaves": "hall"}}))
    inside, outside = person(zones=["hall"]), person(zones=["desk"])
    assert watch.alerts([at(0, inside), at(1), at(2, inside)]) == []
    frames = [at(3, outside), at(4, inside)]
    assert told(watch.alerts(frames)) == ["3 began out hall 1", "4 began in hall 1"]
    late = [at(5), at(7), at(7.1, outside)]
    assert told(watch.alerts(late)) == ["7 cleared in hall 1 left", "7 cleared out hall 1 left"]


def test_after_a_cooldown_the_alert_of_the_person_who_has_met_the_conditions_for_longest_begins() -> None:
    watch = Watch(rules(rules={"lying": {"action": "lie", "for": "1s", "cooldown": "10s", "clear_after": "1s"}}))
    one, two, three = (person(track, "lie") for track in (1, 2, 3))
    frames = [at(0, one), at(1, one), at(2, three), at(3, two), at(4, three, two)]
    assert told(watch.alerts(frames)) == ["1 began lying 1", "2 cleared lying 1 left"]
    # Person 3 returns after person 2, as new.
    frames = [at(7.1, two), at(9, two, three), at(10.9, two, three), at(11, three, two)]
    assert told(watch.alerts(frames)) == ["11 began lying 2"]


def test_a_camera_has_at_most_256_open_alerts_and_others_begin_when_one_is_cleared() -> None:
    watch = Watch(rules(rules={"anyone": {"action": "walk", "cooldown": "0s", "clear_after": "0s"}}))
    crowd = [person(track, "walk") for track in range(1, 301)]
    assert len(watch.alerts([at(0, *crowd)])) == MOST_OPEN == watch.evaluator.open["anyone"]
    assert told(watch.alerts([at(1, *crowd[2:])])) == [
        *["1 cleared anyone 1 left", "1 cleared anyone 2 left"],
        *["1 began anyone 257", "1 began anyone 258"],
    ]


def watching(**rule: Any) -> Watch:
    """Return an evaluator with one rule, `it`."""
    return Watch(rules(rules={"it": {"cooldown": "0s"} | rule}))


def test_an_alert_begins_once_the_conditions_have_held_and_is_cleared_after_they_have_not() -> None:
    watch = Watch(
        rules(rules={"down": {"action": ["lie", "fall"], "zone": "hall", "for": "10s", "severity": "critical"}})
    )
    lying = person(7, "lie", 0.81234, zones=["hall"], trunk=80, hips=0.1)
    (began,) = watch.alerts([at(second, lying, frame=second) for second in (0, 3, 6, 9, 10)])
    assert (began.state, began.severity, began.zone, began.track, began.frame) == ("began", "critical", "hall", 7, 10)
    assert (began.action, began.score, began.box, began.people) == ("lie", 0.8123, lying.box, None)
    assert (began.since_us, began.began_us, began.capture_us) == (CAPTURE_US, CAPTURE_US + 10 * S, CAPTURE_US + 10 * S)
    assert began.reason == "lie 0.81 for 10 s in hall: hips low, trunk level"
    assert watch.alerts([at(12.9, person(7, "walk", zones=["hall"]))]) == []
    (cleared,) = watch.alerts([at(13, person(7, "walk", zones=["hall"]), frame=13)])
    assert (cleared.state, cleared.clear_reason, cleared.frame, cleared.alert) == ("cleared", "over", 13, began.alert)
    assert (cleared.since_us, cleared.began_us, cleared.reason) == (began.since_us, began.began_us, began.reason)
    assert (began.media_time_us, cleared.media_time_us) == (10 * S, 13 * S)


def test_an_open_alert_is_updated_every_ten_seconds_while_the_conditions_hold() -> None:
    watch = watching(action="lie", clear_after="3s")
    lying, walking = person(action="lie"), person(action="walk")
    frames = [at(second / 2, lying if second != 20 else walking) for second in range(44)]
    assert told(watch.alerts(frames)) == ["0 began it 1", "10.5 updated it 1", "20.5 updated it 1"]


def test_an_alert_that_stays_on_is_updated_less_and_less_often_but_every_ten_minutes() -> None:
    watch = watching(people={"at_most": 0})
    updates = [alert.capture_us - alert.began_us for alert in watch.alerts([at(second) for second in range(8 * 3600)])][
        1:
    ]
    assert [us // S for us in updates[:12]] == [*range(10, 101, 10), 110, 121]
    pauses = [later - earlier for earlier, later in pairwise(updates)]
    assert all(pause <= max(10 * S, on // 10 + S) for on, pause in zip(updates, pauses))
    assert pauses == sorted(pauses) and pauses[-1] == 600 * S and len(updates) < 100


def test_a_rule_bridges_interruptions_of_less_than_half_a_second_only_if_it_has_a_time() -> None:
    lying, walking = person(action="lie"), person(action="walk")
    for pause, started in ((0.4, "1"), (0.5, None)):
        frames = [at(0, lying), at(0.5, lying), at(0.6, walking), at(0.5 + pause, lying), at(1, lying)]
        assert told(watching(action="lie", **{"for": "1s"}).alerts(frames)) == (
            [f"{started} began it 1"] if started else []
        )
    watch = watching(action="lie", clear_after="0s")
    assert told(watch.alerts([at(0, lying), at(0.1, walking)])) == ["0 began it 1", "0.1 cleared it 1 over"]


def test_a_cooldown_is_counted_from_the_last_alert_that_began_for_each_zone() -> None:
    watch = watching(zone=["desk", "hall"], cooldown="10s", clear_after="0s")
    desk, hall = person(1, zones=["desk"]), person(2, zones=["hall"])
    frames = [
        at(0, desk),
        at(2),
        at(4, desk),
        at(5, desk, hall),
        at(7),
        at(9.9, hall, desk),
        at(10, hall, desk),
        at(12),
    ]
    assert told(watch.alerts(frames)) == [
        *["0 began it desk 1", "2 cleared it desk 1 left", "5 began it hall 2", "7 cleared it hall 2 left"],
        *["10 began it desk 1", "12 cleared it desk 1 left"],
    ]


def test_there_is_one_open_alert_for_each_rule_zone_and_person() -> None:
    watch = Watch(rules(rules={name: {"zone": ["desk", "hall"], "cooldown": "0s"} for name in ("one", "two")}))
    both, other = person(1, zones=["desk", "hall"]), person(2, zones=["hall"])
    frames = [at(second, both, other) for second in range(5)]
    began = [f"0 began {rule} {key}" for rule in ("one", "two") for key in ("desk 1", "hall 1", "hall 2")]
    assert told(watch.alerts(frames)) == began
    assert watch.evaluator.open == {"one": 3, "two": 3}


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [
        ({"at_most": 0}, {0}),
        ({"at_most": 1}, {0, 1}),
        ({"at_least": 2}, {2, 3}),
        ({"at_least": 1, "at_most": 2}, {1, 2}),
    ],
)
def test_people_are_counted_who_meet_the_other_conditions(limits: dict[str, int], numbers: set[int]) -> None:
    for number in range(4):
        crowd = [person(track, "lie", zones=["hall"]) for track in range(number)]
        others = [person(8, "walk", zones=["hall"]), person(9, "lie", zones=["desk"])]
        alerts = watching(action="lie", zone="hall", people=limits).alerts([at(0, *crowd, *others)])
        assert [(one.people, one.track, one.zone, one.box) for one in alerts] == (
            [(number, None, "hall", None)] if number in numbers else []
        )


def test_the_reason_of_an_alert_about_a_number_gives_the_number() -> None:
    crowd = [person(track, "lie", zones=["hall"]) for track in range(2)]
    watch = watching(action=["lie", "fall"], zone="hall", people={"at_least": 2}, **{"for": "5s"})
    (alert,) = watch.alerts([at(second, *crowd) for second in (0, 3, 5)])
    assert alert.reason == "2 people doing lie or fall in hall for 5 s"
    empty = watching(people={"at_most": 0}).alerts([at(0)])
    assert [one.reason for one in empty] == ["0 people"]


def test_an_empty_place_is_not_one_whose_camera_gave_no_results() -> None:
    empty = {"zone": "desk", "people": {"at_most": 0}, "for": "5s"}
    assert told(watching(**empty).alerts([at(0), at(3), at(5)])) == ["5 began it desk"]
    gaps = watching(**empty)
    assert gaps.alerts([at(0), at(2), at(5.1), at(8), at(10)]) == [], "a gap of 3.1 s"
    assert told(gaps.alerts([at(10.1), at(13), at(16.1)])) == ["10.1 began it desk", "13 cleared it desk no_results"]
    assert gaps.alerts([at(0, epoch=2), at(3, epoch=2), at(4.9, epoch=2)]) == [], "nor across epochs"
    assert told(gaps.alerts([at(5, epoch=2)])) == ["5 began it desk"]


def test_alerts_are_cleared_with_the_reason_over_left_epoch_no_results_or_that_of_the_caller() -> None:
    lying = person(action="lie")
    endings = {
        "over": [at(3, person(action="walk"))],
        "left": [at(3)],
        "epoch": [at(0, lying, epoch=2)],
        "no_results": [at(3.000001, lying)],
    }
    for reason, frames in endings.items():
        alerts = watching(action="lie").alerts([at(0, lying), *frames])
        assert [one.clear_reason for one in alerts if one.state == "cleared"] == [reason]
    watch = watching(action="lie")
    watch.alerts([at(0, lying)])
    assert told(watch.evaluator.end("camera")) == ["0 cleared it 1 camera"]
    assert watch.evaluator.open == {"it": 0} and watch.evaluator.end("camera") == []


def test_a_moment_opens_an_alert_that_another_like_it_updates_and_time_clears() -> None:
    watch = watching(crosses="fence", to="right", clear_after="5s")
    steps = [at(0, person(crossed=[("fence", "left")])), at(1, person(crossed=[("fence", "right")])), at(2, person())]
    assert told(watch.alerts(steps)) == ["1 began it 1"]
    again = [at(4, person(crossed=[("gate", "right"), ("fence", "right")])), at(7, person()), at(9, person())]
    updated, cleared = watch.alerts(again)
    assert told([updated, cleared]) == ["4 updated it 1", "9 cleared it 1 over"]
    assert (updated.line, updated.zone, updated.reason) == ("fence", None, "person crosses fence to the right")


def test_a_stay_is_counted_from_the_first_frame_in_the_zone() -> None:
    watch = watching(zone="hall", dwell="5s")
    inside, outside = person(zones=["hall"]), person(zones=["desk"])
    (alert,) = watch.alerts(
        [at(0, outside), at(1, inside), at(3, inside), at(3.2, outside), at(3.4, inside), at(6, inside)]
    )
    assert told([alert]) == ["6 began it hall 1"] and alert.since_us == CAPTURE_US + S
    assert alert.reason == "person in hall for 5 s"
    fresh = watching(zone="hall", dwell="5s")
    assert fresh.alerts([at(1, inside), at(3, inside), at(3.2, outside), at(3.5, inside), at(6, inside)]) == []


def test_time_outside_the_hours_does_not_count_and_alerts_end_with_them() -> None:
    hours = {"from": "20:27", "to": "20:28", "time_zone": "Etc/UTC"}  # from 20 to 80 s after `CAPTURE_US`
    watch = watching(action="lie", hours=hours, **{"for": "5s"})
    frames = [at(second, person(action="lie")) for second in range(100)]
    assert told(watch.alerts(frames)) == [
        *["25 began it 1", *(f"{25 + n} updated it 1" for n in (10, 20, 30, 40, 50)), "82 cleared it 1 over"]
    ]


def test_a_rule_is_for_its_cameras_only() -> None:
    file = rules(
        rules={"here": {"action": "lie", "cameras": ["lobby"]}, "there": {"action": "lie", "cameras": ["yard"]}}
    )
    assert told(Watch(file).alerts([at(0, person(action="lie"))])) == ["0 began here 1"]


def test_people_who_pass_one_after_another_leave_nothing_behind() -> None:
    file = rules(
        actions={"down": {"then": [{"action": "walk"}, {"action": "lie", "for": "200ms"}], "within": "1s"}},
        rules={
            "down": {"action": "down", "for": "200ms", "cooldown": "0s"},
            "stay": {"zone": "hall", "dwell": "200ms", "cooldown": "0s", "clear_after": "24h"},
            "enters": {"enters": "hall", "cooldown": "0s"},
            "crowd": {"zone": "hall", "people": {"at_least": 1}, "for": "1s"},
        },
    )
    watch = Watch(file)

    def pass_by(people: range) -> int:
        """Let people pass, each seen three times; return the number of objects that the evaluator keeps."""
        for track in people:
            for number, action, zones in ((0, "walk", []), (1, "lie", ["hall"]), (2, "lie", ["hall"])):
                watch.findings(at(track + number / 4, person(track, action, zones=zones)))
        return reachable(watch.evaluator)

    few = pass_by(range(1000))  # more than may have open alerts
    assert pass_by(range(1000, 2500)) <= few * 1.05
    assert watch.evaluator.open["stay"] <= MOST_OPEN


def reachable(root: object) -> int:
    """Return the number of objects that an object refers to, also through others."""
    known: dict[int, object] = {}
    waiting: list[object] = [root]
    while waiting:
        one = waiting.pop()
        if id(one) not in known and not isinstance(one, type | ModuleType | FunctionType):
            known[id(one)] = one
            waiting += gc.get_referents(one)
    return len(known)
