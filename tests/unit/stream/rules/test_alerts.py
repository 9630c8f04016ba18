"""When alerts begin, are updated and are cleared, by examples."""

from __future__ import annotations

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
