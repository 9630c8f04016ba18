from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.notify.engine_state import NEW_RUN_US
from stream.notify.notify_config import MqttConfig
from stream.notify.targets.mqtt_topics import stream_messages
from stream.results import ClipReady
from support.engines import wire_messages
from support.examples import examples
from support.notify.fed_alerts import NEXT_RUN, NOW_US, RUN, SECOND, alert, stats
from support.notify.without_network import Notify, hook

MINUTE = 60 * SECOND


@pytest.fixture
def notify(tmp_path: Path) -> Iterator[Notify]:
    made = Notify(tmp_path)
    yield made
    made.ledger.close()


# -- sensors ----------------------------------------------------------------------------------------------------
def test_statistics_that_lack_an_alert_for_a_while_close_it(notify: Notify) -> None:
    notify.take(alert("1"))
    for seq, listed in enumerate([(), ("1",), (), ()]):
        notify.take(stats(*listed, seq=seq))
        notify.tick(1)
        assert notify.opened == {"1"}
    notify.tick(0.5)
    notify.take(stats(seq=4))
    notify.tick(3)
    assert notify.opened == notify.on == set()


def test_a_momentary_alert_is_shown_for_a_while(notify: Notify) -> None:
    notify.take(alert("1"), alert("1", "cleared", seq=1))
    notify.tick(1.9)
    assert notify.on == {"1"}
    notify.tick(0.1)
    assert notify.on == set()


def test_what_ended_before_the_first_start_is_not_announced_and_what_is_open_is_only_shown(notify: Notify) -> None:
    before_us = NOW_US - 61 * SECOND
    notify.take(alert("1", "cleared", at_us=before_us), alert("2", "updated", at_us=before_us, seq=1))
    assert notify.on == {"2"} and notify.states() == []


def test_alerts_are_closed_when_the_engine_is_lost_and_shown_again_without_an_announcement_when_it_is_back(
    notify: Notify,
) -> None:
    notify.take(alert("1"))
    notify.tick(14)
    assert not notify.intake.silent
    notify.tick(2)
    assert notify.intake.silent
    notify.tick(300)
    notify.tick(300)
    assert sorted(notify.states()) == [("", "notice"), ("1", "closed")]
    assert notify.on == set()
    notify.take(stats("1"))
    assert notify.on == {"1"} and notify.states() == []


ARRIVES = st.one_of(
    st.tuples(st.sampled_from(["began", "updated", "cleared"]), st.sampled_from("abc")),
    st.tuples(st.just("earlier"), st.sampled_from("cde")),
    st.tuples(st.just("stats"), st.sets(st.sampled_from("abc")).map(sorted)),
    st.tuples(st.sampled_from(["run", "lost", "wait"]), st.none()),
)


@settings(max_examples=examples(50))
@given(st.lists(ARRIVES, max_size=30))
def test_whatever_arrives_in_whatever_order_no_sensor_stays_on_that_the_engine_no_longer_lists(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Any]]
) -> None:
    notify, runs = Notify(tmp_path_factory.mktemp("notify")), [RUN]
    for what, value in steps:
        if what == "run":
            runs.append(f"{len(runs):032x}")
        elif what == "stats":
            notify.take(stats(*value, run=runs[-1]))
        elif what == "earlier":
            shown = notify.on
            notify.take(alert(value, "began", run="0" * 32), earlier=True)
            assert notify.on <= shown
        elif what in ("lost", "wait"):
            notify.tick(400 if what == "lost" else 10)
        else:
            notify.take(alert(value, what, run=runs[-1]))
        notify.tick(1)
    for _ in range(2):
        notify.take(stats(run=runs[-1]))
        notify.tick(2)
    for _ in range(3):
        notify.tick(10)
    assert notify.on == notify.opened == set()
    notify.ledger.close()


# -- messages ---------------------------------------------------------------------------------------------------
def test_an_alert_is_announced_when_it_begins_is_acknowledged_and_ends_once_also_after_a_restart(
    notify: Notify,
) -> None:
    messages = [alert("1"), alert("1", "updated", seq=1), alert("1", "updated", seq=2, acknowledged_us=5)]
    messages += [alert("1", "cleared", seq=3), alert("2", seq=4)]
    notify.take(*messages)
    assert notify.states() == [("1", "began"), ("1", "acknowledged"), ("1", "cleared"), ("2", "began")]
    assert notify.intake.ledger.rules() == {("door", "fall"): True}
    notify.restart()
    notify.take(*messages, replayed=True)
    assert notify.states() == [] and notify.opened == {"2"}


def test_a_late_alert_is_never_announced_as_new(notify: Notify) -> None:
    notify.take(alert("1"))
    notify.now_us += 2 * MINUTE
    (notice,) = notify.send()
    assert (notice.state, notice.late, notice.id) == ("late", True, "1:began")
    assert notice.text.startswith("Late: door: fall since ")


def test_an_alert_that_is_over_before_it_could_be_announced_is_one_message(notify: Notify) -> None:
    notify.take(alert("1"), alert("2", camera="yard"))
    notify.take(alert("1", "cleared", at_us=NOW_US + 30 * SECOND, began_us=NOW_US, seq=1))
    notify.now_us += 2 * MINUTE
    by_alert = {one.alert.alert: one for one in notify.send() if one.alert is not None}
    assert {name: one.state for name, one in by_alert.items()} == {"1": "closed", "2": "late"}
    closed = by_alert["1"]
    assert (closed.late, closed.closed_by) == (True, "over")
    assert closed.alert is not None and closed.alert.capture_us == NOW_US + 30 * SECOND


@pytest.mark.parametrize("refused", ["alerts", "deliveries"])
def test_a_burst_that_the_disk_refuses_is_taken_when_it_is_offered_again(notify: Notify, refused: str) -> None:
    notify.take(alert("1"))

    def refuse(action: int, table: str | None, *_: object) -> int:
        return sqlite3.SQLITE_DENY if (action, table) == (sqlite3.SQLITE_INSERT, refused) else sqlite3.SQLITE_OK

    notify.ledger.db.set_authorizer(refuse)
    burst = [alert("1", "cleared", seq=1), alert("2", seq=2)]
    for _ in range(2):
        with pytest.raises(sqlite3.Error):
            notify.take(*burst)
    notify.ledger.db.set_authorizer(None)
    notify.take(*burst)
    assert notify.states() == [("1", "began"), ("1", "cleared"), ("2", "began")]
    assert notify.opened == {"2"}
    assert notify.intake.closed["over"] == 1, "it is counted once"


def test_a_tick_between_does_not_write_that_a_burst_was_read_that_the_disk_refused(notify: Notify) -> None:
    notify.take(alert("1"))
    read = notify.ledger.positions()
    notify.ledger.db.set_authorizer(lambda action, *_: int(action == sqlite3.SQLITE_INSERT))
    with pytest.raises(sqlite3.Error):
        notify.take(alert("2", seq=1))
    notify.ledger.db.set_authorizer(None)
    notify.tick(600)
    assert notify.ledger.positions() == read, "a notify that ends now reads the alert again"


def test_alerts_of_runs_that_ended_unread_are_sent_late_in_order_and_closed(notify: Notify) -> None:
    notify.take(alert("0"))
    assert notify.states() == [("0", "began")]
    notify.restart()
    notify.now_us += 60 * MINUTE
    unread = [alert("0", "cleared", seq=1), alert("1", seq=2), alert("1", "cleared", seq=3), alert("2", seq=4)]
    between = [alert("3", run=NEXT_RUN), alert("3", "cleared", seq=1, run=NEXT_RUN, clear_reason="restart")]
    notify.take(*unread, *between, earlier=True)
    assert notify.on == set(), "what is over is not shown by sensors"
    notify.take(stats(run="c" * 32))
    assert notify.states() == [("0", "cleared"), ("1", "closed"), ("2", "late"), ("3", "closed")]
    notify.tick(NEW_RUN_US / SECOND)
    assert [(one.alert and one.alert.alert, one.state, one.closed_by) for one in notify.send()] == [
        ("2", "cleared", "new_run")
    ]
    assert not notify.opened


def test_alerts_that_are_still_arriving_are_not_closed_before_their_end_has_arrived(notify: Notify) -> None:
    notify.take(alert("1"))
    notify.take(stats(run=NEXT_RUN))
    for number in range(2, 5):
        notify.take(alert(str(number), seq=number), earlier=True)
        notify.tick(0.9 * NEW_RUN_US / SECOND)
    notify.take(alert("2", "cleared", seq=5), earlier=True)
    notify.tick(NEW_RUN_US / SECOND)
    closed = {one.alert.alert: one.closed_by for one in notify.send() if one.alert and one.state == "cleared"}
    assert closed == {"1": "new_run", "2": "over", "3": "new_run", "4": "new_run"}


def test_an_alert_of_the_present_run_that_comes_by_replay_after_earlier_runs_stays_open(notify: Notify) -> None:
    notify.take(stats())
    notify.restart()
    for number in range(10):
        notify.take(alert(str(number), seq=number, run=NEXT_RUN), earlier=True)
        notify.tick(0.99)
    present = "c" * 32
    notify.take(alert("now", run=present, at_us=notify.now_us), replayed=True)
    notify.tick(0.2)
    assert [state for name, state in notify.states() if name == "now"] == ["began"]
    assert notify.on == {"now"}
    notify.tick(20)
    assert notify.opened == {"now"}


def test_an_alert_that_is_reported_again_after_notify_closed_it_has_a_second_end(notify: Notify) -> None:
    notify.take(alert("1"))
    for seq in range(2):
        notify.take(stats(seq=seq))  # no longer listed
        notify.tick(2)
    notify.take(alert("1", "updated", seq=1))
    notify.take(alert("1", "updated", seq=2, acknowledged_us=NOW_US))
    notify.take(alert("1", "cleared", seq=3))
    notify.restart()
    notify.take(alert("1", "cleared", seq=3), replayed=True)
    assert [(one.id, one.closed_by) for one in notify.send()] == [
        ("1:began", ""),
        ("1:cleared", "stats"),
        ("1:acknowledged", ""),
        ("1:cleared:2", "over"),
    ]


def test_lost_messages_are_told_once_a_minute(notify: Notify) -> None:
    notify.intake.gap(3)
    notify.tick()
    notify.intake.gap(4)
    notify.tick(1)
    assert [one.text.split()[0] for one in notify.send()] == ["3"]
    notify.tick(60)
    assert [one.text.split()[0] for one in notify.send()] == ["4"]


def test_alerts_that_were_given_up_are_told_though_their_number_is_not_known(notify: Notify) -> None:
    notify.take(stats())
    notify.intake.gap(0, more=True)
    notify.tick(1)
    notify.intake.gap(3, more=True)
    notify.tick(1)
    cause = "alerts of the engine may be missing, because replay did not answer"
    assert [one.text for one in notify.send()] == [f"{cause}: it is not known how many"]
    notify.tick(60)
    notify.tick(60)
    assert [one.text for one in notify.send()] == [f"{cause}: at least 3 messages lost"]


def test_replayed_statistics_close_nothing(notify: Notify) -> None:
    notify.take(alert("1"))
    for seq in range(3):
        notify.take(stats(seq=seq), replayed=True)
    assert notify.opened == {"1"}


def test_a_target_gets_only_the_alerts_that_it_wants(tmp_path: Path) -> None:
    notify = Notify(tmp_path, **hook(cameras=["door"], rules=["fall"], severity=["critical"], states=["began"]))
    wanted: dict[str, Any] = {"severity": "critical"}
    notify.take(alert("1", **wanted), alert("2"), alert("3", camera="yard", **wanted), alert("4", rule="x", **wanted))
    notify.take(alert("1", "cleared", seq=9, **wanted))
    assert notify.states() == [("1", "began")]


def test_a_disarmed_rule_is_not_announced_and_arming_does_not_announce_what_began_before(notify: Notify) -> None:
    notify.take(alert("1"))
    assert not notify.intake.set_armed([("door", "unknown")], armed=False)
    assert notify.intake.set_armed([("door", "fall")], armed=False)
    assert notify.on == set()
    notify.take(alert("2", seq=1))
    notify.restart()
    assert notify.intake.set_armed([("door", "fall")], armed=True)
    notify.take(alert("1", "cleared", seq=2), alert("2", "cleared", seq=3), alert("3", seq=4))
    assert notify.states() == [("1", "began"), ("3", "began")]


def test_rules_of_the_engine_replace_those_known_except_with_open_alerts(notify: Notify) -> None:
    notify.take(alert("1"))
    assert notify.intake.set_rules([("door", "fence")])
    assert notify.intake.ledger.rules().keys() == {("door", "fall"), ("door", "fence")}
    notify.take(alert("1", "cleared", seq=1))
    assert notify.intake.set_rules([("door", "fence")])
    assert not notify.intake.set_rules([("door", "fence")])


def test_a_disarmed_rule_stays_disarmed_while_the_engine_does_not_list_it(notify: Notify) -> None:
    notify.intake.set_rules([("door", "fall"), ("yard", "fall")])
    assert notify.intake.set_armed([("yard", "fall")], armed=False)
    notify.restart()
    assert notify.intake.set_rules([("door", "fall")])
    assert notify.intake.ledger.rules() == {("door", "fall"): True}, "its sensor is removed"
    notify.take(alert("0"))
    assert not notify.intake.set_rules([("door", "fall")])
    notify.take(alert("1", camera="yard"))
    assert notify.states() == [("0", "began")]
    assert notify.intake.set_rules([("door", "fall"), ("yard", "fall")]) is False, "the alert has shown it again"
    assert notify.intake.ledger.rules() == {("door", "fall"): True, ("yard", "fall"): False}


# -- shaping ----------------------------------------------------------------------------------------------------
def test_a_flood_of_alerts_is_bounded_counted_and_said(tmp_path: Path) -> None:
    notify = Notify(tmp_path, **hook(most_pending=500))
    total = 2_000
    for first in range(0, total, 64):
        names = range(first, min(total, first + 64))
        notify.take(*(alert(str(n), seq=n, severity="critical" if n % 100 == 0 else "warning") for n in names))
        assert notify.ledger.count("hook", "pending") <= 500
    held = notify.intake.held["hook", "flood"]
    assert held == total - 500 == notify.ledger.count("hook", "held")
    notify.tick(60)
    sent = notify.send()
    (summary,) = [one.held for one in sent if one.held is not None]
    assert (summary.messages, summary.by, summary.rules) == (held, {"flood": held}, {"fall": held})
    assert sum(one.alert is not None and one.alert.severity == "critical" for one in sent) == 20
    notify.ledger.close()


def test_quiet_hours_hold_alerts_back_until_one_summary_at_their_end_and_critical_ones_pass(tmp_path: Path) -> None:
    quiet = {"from": "14:00", "to": "15:00"}  # NOW_US is 2026-09-21 14:13:20 UTC
    notify = Notify(tmp_path, engine_lost="24h", **hook(quiet_hours=quiet))
    notify.take(alert("1"), alert("2", seq=1), alert("3", seq=2, severity="critical", rule="fire"))
    notify.take(alert("1", "cleared", seq=3))
    notify.tick(60)
    assert notify.states() == [("3", "began")]
    notify.restart()
    notify.tick(46 * 60)
    (summary,) = notify.send()
    assert summary.held is not None and summary.held.rules == {"fall": 2}
    assert summary.text == "2 messages held back from 14:13:20 to 14:13:20 (quiet_hours): fall 2"
    notify.tick(60)
    assert notify.send() == []
    notify.ledger.close()


def test_a_cap_holds_back_what_exceeds_it_and_sums_it_up_after_the_minute(tmp_path: Path) -> None:
    notify = Notify(tmp_path, **hook(most_per_minute=2))
    notify.take(*(alert(str(number), seq=number) for number in range(5)))
    notify.take(*(alert(str(number), "cleared", seq=10 + number) for number in range(5)))
    assert notify.states() == [("0", "began"), ("1", "began"), ("0", "cleared"), ("1", "cleared")]
    notify.restart()
    notify.take(alert("6", seq=20))
    assert notify.states() == [], "the cap holds after a restart"
    notify.tick(61)
    (summary,) = notify.send()
    assert summary.held is not None and summary.held.by == {"cap": 4}
    notify.ledger.close()


def test_alerts_of_one_rule_within_a_time_are_one_message_and_a_summary(tmp_path: Path) -> None:
    notify = Notify(tmp_path, **hook(group_within="10s"))
    notify.take(alert("1"), alert("2", seq=1), alert("3", seq=2, rule="fence"), alert("4", camera="yard"))
    assert sorted(notify.states()) == [("1", "began"), ("3", "began"), ("4", "began")]
    notify.tick(11)
    (summary,) = notify.send()
    assert summary.held is not None and summary.held.by == {"group": 1}
    notify.take(alert("5", seq=3))
    assert notify.states() == [("5", "began")]
    notify.ledger.close()


# -- a clock that is set ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("set_us", [-60 * MINUTE, 60 * MINUTE])
def test_a_clock_that_is_set_closes_no_alert_and_holds_nothing_back_for_longer(tmp_path: Path, set_us: int) -> None:
    notify = Notify(tmp_path, late_after="24h", **hook(most_per_minute=2, group_within="10s"))
    notify.take(alert("1"), alert("2", seq=1), stats("1", "2"))
    notify.tick(1)
    notify.set_us = set_us
    notify.tick(1)
    assert not notify.intake.silent and notify.opened == {"1", "2"}
    assert [one.held.by if one.held is not None else one.id for one in notify.send()] == [{"group": 1}, "1:began"]
    notify.take(*(alert(str(number), seq=number, rule=f"rule{number}") for number in (3, 4, 5)))
    assert notify.states() == [("3", "began"), ("4", "began")]
    notify.take(*(alert(str(number), "cleared", seq=number + 9) for number in (1, 2)))
    assert notify.on == {"3", "4", "5"}
    notify.tick(60)
    assert [one.held.by for one in notify.send() if one.held is not None] == [{"cap": 1}]
    notify.ledger.close()


# -- cameras and events -----------------------------------------------------------------------------------------
def test_people_are_counted_by_action_and_forgotten_with_their_epoch(notify: Notify) -> None:
    event = msgspec.structs.replace(wire_messages.event("door"), run=RUN)

    def people(**fields: Any) -> dict[str, int]:
        notify.take(msgspec.structs.replace(event, **fields))
        return notify.intake.view.cameras["door"].actions

    notify.take(stats())
    assert people(track=1, kind="started", label="walk") == {"walk": 1}
    assert people(track=2, kind="started", label="walk") == {"walk": 2}
    assert people(track=2, kind="changed", label="sit") == {"sit": 1, "walk": 1}
    assert people(track=3, kind="started", label="hands_up", source="rule") == {"sit": 1, "walk": 1}
    assert people(track=1, kind="ended", label="walk") == {"sit": 1}
    assert people(track=1, epoch=2, kind="started", label="walk") == {"walk": 1}
    assert people(track=9, epoch=1, kind="started", label="run") == {"walk": 1}, "an old epoch"


def test_a_camera_that_two_statistics_lack_is_removed(notify: Notify) -> None:
    notify.take(stats(cameras=("door", "yard")))
    notify.take(stats(cameras=("yard",), seq=1))
    assert set(notify.intake.view.cameras) == {"door", "yard"}
    notify.take(stats(cameras=("yard",), seq=2))
    assert set(notify.intake.view.cameras) == {"yard"}


def test_a_clip_is_told_once_with_its_address_to_brokers_that_want_it(tmp_path: Path) -> None:
    broker = {"kind": "mqtt", "broker": "mqtt://127.0.0.1"}
    targets = {
        "house": broker | {"clips": True},
        "other": broker,
        "yard": broker | {"clips": True, "cameras": ["yard"]},
    }
    notify = Notify(tmp_path, targets=targets, public_url="https://cam.example/")
    times = {"start_us": 1, "end_us": 2, "start_media_time_us": 0, "end_media_time_us": 1}
    of: dict[str, Any] = {"run": RUN, "seq": 0, "camera": "door", "epoch": 1, "ended": "complete", "bytes": 9, **times}
    clip = ClipReady(clip="door-1", events=[], alerts=["1"], **of)
    for _ in range(2):
        notify.take(clip)
    (waiting,) = notify.ledger.find()
    assert (waiting.target, waiting.kind, waiting.lane) == ("house", "clip", "door")
    attempt, target = notify.begin(target="house"), notify.settings.targets["house"]
    assert isinstance(target, MqttConfig)
    assert attempt.notice is None
    ((topic, body),) = stream_messages(target, attempt)
    assert topic == "partstream/partstream/door/clip"
    sent = msgspec.json.decode(body)
    assert (sent["url"], sent["redelivered"]) == ("https://cam.example/api/v1/clips/door-1", False)
    notify.ledger.close()
