"""A rules file that changes while an evaluator runs."""

from __future__ import annotations

from support.rules.steps import Watch, at, person, rules, told


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
