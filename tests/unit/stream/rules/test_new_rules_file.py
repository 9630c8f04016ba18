"""A rules file that changes while an evaluator runs."""

from __future__ import annotations

from support.rules.steps import CAPTURE_US, S, Watch, at, person, rules, told


def test_a_rule_that_has_not_changed_keeps_its_alert_and_what_it_has_seen() -> None:
    file = {"lying": {"action": ["lie", "fall"], "for": "1s"}, "waiting": {"zone": "hall", "dwell": "2s"}}
    watch = Watch(rules(rules=file))
    lying = person(action="lie", zones=["hall"])
    assert told(watch.alerts([at(0, lying), at(1, lying)])) == ["1 began lying 1"]
    assert watch.use(rules(rules=file | {"another": {"action": "walk"}})) == []
    assert watch.evaluator.open == {"lying": 1, "waiting": 0, "another": 0}
    assert told(watch.alerts([at(2, lying)])) == ["2 began waiting hall 1"]
    assert told(watch.alerts([at(5, person())])) == ["5 cleared lying 1 over", "5 cleared waiting hall 1 over"]


def test_the_alerts_of_rules_that_changed_or_are_gone_are_cleared() -> None:
    watch = Watch(rules(rules={name: {"action": ["lie", "fall"]} for name in ("same", "changed", "gone")}))
    lying = person(action="lie")
    watch.alerts([at(0, lying)])
    changed = rules(rules={"changed": {"action": ["lie"]}, "same": {"action": ["lie", "fall"]}})
    assert told(watch.use(changed)) == ["0 cleared changed 1 rules", "0 cleared gone 1 rules"]
    assert told(watch.alerts([at(1, lying)])) == ["1 began changed 1"]


def test_a_written_action_that_has_not_changed_keeps_what_it_has_seen() -> None:
    actions = {
        "low": {"hips": {"at_most": 0.3}, "for": "1s"},
        "collapse": {"then": [{"action": "walk"}, {"action": "low"}], "within": "3s"},
    }
    on_low = {"down": {"action": "collapse"}}
    watch = Watch(rules(actions=actions, rules=on_low))
    low = person(hips=0.1)
    assert watch.holds([at(0, person(action="walk")), at(0.5, low), at(1.5, low)], "collapse") == [False, False, True]
    reordered = {name: actions[name] for name in reversed(actions)}
    assert watch.use(rules(actions={"new": {"action": "lie", "for": "1s"}} | reordered, rules=on_low)) == []
    assert watch.holds([at(2, low)], "collapse") == [True]
    (collapse, lies_low) = watch.findings(at(2.5, low)).actions[1]
    assert (collapse.since_us - CAPTURE_US, lies_low.since_us - CAPTURE_US) == (1.5 * S, 0.5 * S)
    changed = actions | {"low": {"hips": {"at_most": 0.2}, "for": "1s"}}
    assert told(watch.use(rules(actions=changed, rules=on_low))) == ["2.5 cleared down 1 rules"]
    assert watch.holds([at(3, low)], "collapse") == [False], "an action that it refers to has changed"
