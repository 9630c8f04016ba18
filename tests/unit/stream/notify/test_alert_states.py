from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.notify.alert_states import NEW_RUN_US, AlertStates, Change
from stream.notify.ledger import AlertRow
from support.notify.fed_alerts import NEXT_RUN, NOW_US, RUN, SECOND, alert, stats

LEAST_ON_US = 2 * SECOND
LATER_US = NOW_US + 60 * SECOND
SENSOR = ("door", "fall")


class Fed(AlertStates):
    """States with a ledger that is a dictionary."""

    def __init__(self, run: str = RUN, since_us: int = 0, disarmed: tuple[str, ...] = ()) -> None:
        self.rows: dict[str, AlertRow] = {}
        super().__init__(
            [],
            self.rows.get,
            lambda camera, rule: rule not in disarmed,
            run=run,
            since_us=since_us,
            least_on_us=LEAST_ON_US,
        )

    def fed(self, message: Any, now_us: int = NOW_US, *, earlier: bool = False) -> list[str]:
        changes = self.take(message, now_us, earlier=earlier)
        return self.written(changes)

    def written(self, changes: list[Change]) -> list[str]:
        self.rows |= {change.row.id: change.row for change in changes}
        return [change.what for change in changes]


@pytest.mark.parametrize("reason", ["over", "left", "epoch", "no_results", "restart", "rules", "camera"])
def test_each_reason_of_the_engine_turns_a_sensor_off(reason: str) -> None:
    states = Fed()
    assert states.fed(alert("1")) == ["began"]
    assert SENSOR in states.on(LATER_US)
    assert states.fed(alert("1", "cleared", clear_reason=reason)) == ["cleared"]
    assert states.on(LATER_US) == {} and states.rows["1"].closed_by == reason


def test_two_successive_statistics_without_an_alert_close_it_and_one_does_not() -> None:
    states = Fed()
    states.fed(alert("1"))
    for listed in [(), ("1",), ()]:
        assert states.reconcile(stats(*listed), NOW_US) == ([], False)
    changes, _ = states.reconcile(stats(), NOW_US)
    assert states.written(changes) == ["cleared"] and states.rows["1"].closed_by == "stats"
    assert states.on(LATER_US) == {}


def test_a_new_run_closes_what_it_does_not_report_after_some_seconds() -> None:
    states = Fed()
    states.fed(alert("1"))
    states.fed(alert("2"))
    states.new_run(NEXT_RUN, NOW_US)
    assert states.fed(alert("2", "updated", run=NEXT_RUN)) == ["updated"]
    assert states.due(NOW_US + NEW_RUN_US - 1) == []
    assert states.written(states.due(NOW_US + NEW_RUN_US)) == ["cleared"]
    assert states.rows["1"].closed_by == "new_run" and set(states.open) == {"2"}


def test_an_engine_that_restarts_again_and_again_does_not_keep_a_sensor_on() -> None:
    states = Fed()
    states.fed(alert("1"))
    for number in range(4):
        now_us = NOW_US + number * NEW_RUN_US // 3
        states.new_run(f"{number:032x}", now_us)
        states.written(states.due(now_us))
    assert states.rows["1"].closed_by == "new_run" and SENSOR not in states.on(LATER_US)


def test_an_alert_of_an_earlier_run_that_arrives_late_does_not_stay_on() -> None:
    states = Fed()
    states.new_run(NEXT_RUN, NOW_US)
    states.due(NOW_US + NEW_RUN_US)
    states.fed(alert("1", run=RUN), LATER_US)
    assert states.written(states.due(LATER_US + NEW_RUN_US)) == ["cleared"]


def test_an_alert_of_a_run_that_is_over_is_neither_shown_nor_opened_again() -> None:
    states = Fed()
    assert states.fed(alert("1"), earlier=True) == ["began"]
    states.fed(alert("2"))
    states.written(states.lost_engine(NOW_US))
    assert states.fed(alert("2", "updated"), earlier=True) == []
    assert [one for rows in states.on(NOW_US).values() for one in rows if one.id == "1"] == [] == list(states.open)


def test_alerts_are_closed_when_the_engine_is_lost_and_shown_again_without_an_announcement_when_it_is_back() -> None:
    states = Fed()
    states.fed(alert("1"))
    assert states.written(states.lost_engine(NOW_US)) == ["cleared"]
    assert states.on(LATER_US) == {}
    changes, ask = states.reconcile(stats("1"), LATER_US)
    assert (states.written(changes), ask) == (["reopened"], False)
    assert SENSOR in states.on(LATER_US)
    assert states.fed(alert("1", "cleared")) == ["cleared"]


def test_an_alert_that_the_engine_cleared_is_not_opened_by_statistics_made_before() -> None:
    states = Fed()
    states.fed(alert("1"))
    states.fed(alert("1", "cleared"))
    for _ in range(3):
        assert states.reconcile(stats("1"), NOW_US) == ([], False)


def test_an_unknown_alert_in_two_lists_is_requested_once() -> None:
    states = Fed()
    assert [states.reconcile(stats("9"), NOW_US)[1] for _ in range(4)] == [False, True, False, False]


def test_a_momentary_alert_is_shown_for_a_while() -> None:
    states = Fed()
    states.fed(alert("1"))
    states.fed(alert("1", "cleared"))
    assert SENSOR in states.on(NOW_US + LEAST_ON_US - 1)
    assert states.on(NOW_US + LEAST_ON_US) == {}


def test_repeated_messages_change_nothing() -> None:
    states = Fed()
    states.fed(alert("1"))
    assert states.fed(alert("1")) == []
    states.fed(alert("1", "cleared"))
    assert [states.fed(alert("1", state)) for state in ("began", "updated", "cleared")] == [[], [], []]


def test_the_end_of_an_alert_that_was_never_known_is_one_change() -> None:
    states = Fed()
    assert states.fed(alert("1", "cleared", clear_reason="restart")) == ["closed"]
    assert states.on(NOW_US) == {}


def test_what_ended_before_the_first_start_is_not_announced_and_what_is_open_is_only_shown() -> None:
    states = Fed(since_us=NOW_US)
    before = NOW_US - 1
    assert states.fed(alert("1", "cleared", at_us=before)) == ["noted"]
    assert states.fed(alert("2", "updated", at_us=before)) == ["noted"]
    assert SENSOR in states.on(LATER_US) and not states.rows["2"].announced


def test_a_disarmed_rule_is_neither_announced_nor_shown() -> None:
    states = Fed(disarmed=("fall",))
    assert states.fed(alert("1")) == ["noted"]
    assert states.on(NOW_US) == {}


def test_acknowledging_is_told_once() -> None:
    states = Fed()
    states.fed(alert("1"))
    assert states.fed(alert("1", "updated", acknowledged_us=5)) == ["acknowledged"]
    assert states.fed(alert("1", "updated", acknowledged_us=5)) == ["updated"]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(["began", "updated", "cleared"]), st.sampled_from("abc")),
            st.tuples(st.just("earlier"), st.tuples(st.sampled_from(["began", "updated"]), st.sampled_from("cde"))),
            st.tuples(st.just("stats"), st.sets(st.sampled_from("abc")).map(sorted)),
            st.tuples(st.sampled_from(["run", "lost", "wait"]), st.none()),
        ),
        max_size=40,
    )
)
def test_whatever_arrives_in_whatever_order_no_sensor_stays_on_that_the_engine_no_longer_lists(
    steps: list[tuple[str, Any]],
) -> None:
    states, now_us, runs = Fed(), NOW_US, [RUN]
    for what, value in steps:
        now_us += SECOND
        if what == "run":
            runs.append(f"{len(runs):032x}")
            states.new_run(runs[-1], now_us)
        elif what == "lost":
            states.written(states.lost_engine(now_us))
        elif what == "stats":
            states.written(states.reconcile(stats(*value, run=runs[-1]), now_us)[0])
        elif what == "wait":
            now_us += NEW_RUN_US
        elif what == "earlier":
            shown = {row.id for rows in states.on(now_us).values() for row in rows}
            states.fed(alert(value[1], value[0], run="0" * 32), now_us, earlier=True)
            assert {row.id for rows in states.on(now_us).values() for row in rows} <= shown
        else:
            states.fed(alert(value, what, run=runs[-1]), now_us)
        states.written(states.due(now_us))
        assert states.open == {name: row for name, row in states.rows.items() if row.open}
    for _ in range(2):
        states.written(states.reconcile(stats(run=runs[-1]), now_us)[0])
    now_us += 2 * NEW_RUN_US
    states.written(states.due(now_us))
    states.written(states.due(now_us + NEW_RUN_US))
    assert states.on(now_us) == {} and states.open == {}
