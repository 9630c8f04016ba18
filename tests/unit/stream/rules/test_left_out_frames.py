"""Frames without people that are left out, as `Evaluator.quiet_until` allows, change no message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from stream.results import Alert
from stream.rules.runs import UNSEEN_US
from stream.settings.rules import RulesConfig
from support.rules.steps import S, Step, Watch, at, person, rules, told


def alerts_of_some(config: RulesConfig, steps: Sequence[Step]) -> tuple[list[Alert], int]:
    """Return the messages about frames, of which as many are left out as may be; and the number of these."""
    watch = Watch(config)
    alerts: list[Alert] = []
    left_out = 0
    last, contiguous = None, False
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        media_us, capture_us = watch.evaluator.quiet_until()
        if (
            last is not None
            and not step.people
            and step.moment.media_us < media_us
            and last.moment.capture_us <= step.moment.capture_us
            and after is not None
            and step.moment.capture_us <= after.moment.capture_us < capture_us
            and not after.people
            and step.ended is None
            and after.moment.epoch == step.moment.epoch == last.moment.epoch
            and after.moment.media_us - step.moment.media_us <= UNSEEN_US
            and (contiguous or step.moment.media_us - last.moment.media_us <= UNSEEN_US)
        ):
            left_out, contiguous = left_out + 1, True
        else:
            alerts += watch.findings(step, contiguous=contiguous).alerts
            last, contiguous = step, False
    return alerts, left_out


@pytest.mark.parametrize(
    ("rule", "most_given"),
    [
        ({"zone": "desk", "people": {"at_most": 0}, "for": "5m"}, 30),  # an open alert is updated
        ({"zone": "desk", "people": {"at_least": 1}}, 10),
        ({"action": "lie", "for": "1s"}, 10),
        ({"enters": "desk", "hours": {"from": "22:00", "to": "06:00", "time_zone": "Asia/Kolkata"}}, 30),
    ],
)
def test_most_frames_without_people_are_left_out(rule: dict[str, Any], most_given: int) -> None:
    config = rules(rules={"it": rule})
    busy = [at(second / 5, person(action="lie", zones=["desk"])) for second in range(10)]
    steps = [*busy, *(at(2 + number / 5) for number in range(5 * 600))]
    alerts, left_out = alerts_of_some(config, steps)
    assert alerts == Watch(config).alerts(steps)
    assert left_out >= len(steps) - most_given - len(busy)


def test_an_alert_that_waits_for_its_conditions_to_last_again_is_cleared_in_time() -> None:
    file = rules(rules={"empty": {"people": {"at_most": 0}, "for": "60s", "clear_after": "30s"}})
    absent = [at(number / 2) for number in range(124)]
    steps = [*absent, *(at(62 + number / 2, person()) for number in range(10)), *(at(67 + n / 2) for n in range(100))]
    alerts, _ = alerts_of_some(file, steps)
    assert told(alerts) == ["60 began empty", "91.5 cleared empty over"]


def test_an_alert_is_cleared_in_time_after_the_hours_have_ended() -> None:
    hours = {"from": "20:00", "to": "20:27", "time_zone": "Etc/UTC"}
    file = rules(rules={"empty": {"people": {"at_most": 0}, "hours": hours}})
    steps = [at(number / 2) for number in range(-20, 120)]
    assert steps[20].moment.capture_us // (60 * S) % (24 * 60) == 20 * 60 + 26
    alerts, _ = alerts_of_some(file, steps)
    assert alerts == Watch(file).alerts(steps)


def test_no_frame_may_be_left_out_directly_after_the_results_were_ended_or_the_rules_changed() -> None:
    file = rules(rules={"empty": {"people": {"at_most": 0}, "for": "5s"}})
    watch = Watch(file)
    watch.alerts([at(0), at(1)])
    assert watch.evaluator.quiet_until()[0] == 5 * S
    watch.evaluator.end("camera")
    assert watch.evaluator.quiet_until() == (0, 0)
    watch.alerts([at(2)])
    assert watch.evaluator.quiet_until()[0] == 7 * S
    watch.use(rules(rules={"gone": {"people": {"at_most": 0}, "for": "2s"}}))
    assert watch.evaluator.quiet_until() == (0, 0)
    assert told(watch.alerts([at(3), at(5)])) == ["5 began gone"]
