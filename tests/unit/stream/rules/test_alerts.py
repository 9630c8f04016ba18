"""When alerts begin, are updated and are cleared, by examples."""

from __future__ import annotations

from support.rules.steps import Watch, at, person, rules, told


def test_of_two_frames_with_equal_times_the_second_counts() -> None:
    watch = Watch(rules(rules={"lying": {"action": "lie", "clear_after": "0s"}}))
    frames = [at(0, person(action="lie")), at(0, person(action="walk"))]
    assert told(watch.alerts(frames)) == ["0 began lying 1", "0 cleared lying 1 over"]
