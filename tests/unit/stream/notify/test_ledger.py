from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stream.messaging.gaps import Position
from stream.notify.ledger import AlertRow, Ledger, Planned
from stream.results import Alert
from stream.settings.config_error import ConfigError
from support.notify.fed_alerts import NOW_US, alert
from support.notify.killed_ledger import messages
from support.repository import REPOSITORY


def planned(name: str, lane: str = "door", *, critical: bool = False, held: str = "", due_us: int = 0) -> Planned:
    return Planned(name, "hook", lane, "began", name, critical, b"{}", held, due_us)


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    opened = Ledger(tmp_path / "notify.db", NOW_US)
    yield opened
    opened.close()


def test_messages_wait_in_the_order_of_their_lane(ledger: Ledger) -> None:
    for name, lane in [("a", "door"), ("b", "yard"), ("c", "door")]:
        assert ledger.plan(planned(name, lane), NOW_US)
    assert not ledger.plan(planned("a"), NOW_US), "the target has it already"
    assert sorted(ledger.lanes("hook")) == ["door", "yard"]
    head = ledger.head("hook", "door")
    assert head is not None and (head.id, head.attempts, head.body) == ("a", 0, b"")
    ledger.trying(head.seq, b"body")
    ledger.tried(head.seq, "sent", NOW_US)
    (sent,) = ledger.find(state="sent")
    assert (sent.body, sent.attempts, sent.done_us) == (b"body", 1, NOW_US)
    assert ledger.head("hook", "door").id == "c"  # pyright: ignore[reportOptionalMemberAccess]
    assert ledger.count("hook", "pending") == 2 and ledger.oldest_pending_us("hook") == NOW_US


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.plan(planned("a"), NOW_US)
        raise RuntimeError
    assert ledger.find() == []


def test_positions_keep_the_latest_run_and_epochs(ledger: Ledger) -> None:
    topic = "alerts/v1/door/"
    ledger.reached([Position(topic, "r1", epoch, 5) for epoch in range(12)])
    assert {one.epoch for one in ledger.positions()} == set(range(4, 12))
    ledger.reached([Position(topic, "r2", 1, 3), Position(topic, "r2", 1, 4)])
    assert ledger.positions() == [Position(topic, "r2", 1, 4)]


def test_the_positions_of_the_run_that_was_read_last_come_last(ledger: Ledger) -> None:
    door, yard = "alerts/v1/door/", "alerts/v1/yard/"
    ledger.reached([Position(yard, "r1", 1, 5), Position("stats/v1/", "r1", 0, 9), Position(door, "r2", 1, 1)])
    assert [one.run for one in ledger.positions()] == ["r1", "r1", "r2"]
    ledger.reached([Position("stats/v1/", "r0", 0, 1)])  # runs have random names
    ledger.reached([])
    assert [(one.topic, one.run) for one in ledger.positions()][-1] == ("stats/v1/", "r0")


def test_messages_given_up_are_tried_again_on_request(ledger: Ledger) -> None:
    for name in ("a", "b"):
        ledger.plan(planned(name), NOW_US)
    first, second = ledger.find()
    ledger.tried(first.seq, "given_up", NOW_US, "answered 410")
    assert ledger.retry(seq=second.seq) == 0, "it waits anyway"
    assert ledger.retry(target="hook") == 1
    assert [one.state for one in ledger.find()] == ["pending", "pending"]


def test_old_messages_are_pruned_and_those_that_wait_or_are_to_be_summed_up_are_kept(ledger: Ledger) -> None:
    for name, held, due_us in [("a", "", 0), ("b", "cap", 0), ("c", "cap", 9), ("d", "", 0)]:
        ledger.plan(planned(name, held=held, due_us=due_us), NOW_US)
    ledger.tried(ledger.find()[0].seq, "sent", NOW_US)
    ledger.prune(NOW_US + 8 * 24 * 3_600_000_000, keep_days=7)
    assert [one.id for one in ledger.find()] == ["c", "d"]


def test_one_notify_writes_and_others_read(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "notify.db"
    with pytest.raises(ConfigError, match="in use by another"):
        Ledger(path)
    ledger.plan(planned("a"), NOW_US)
    reader = Ledger(path, read_only=True)
    assert [one.id for one in reader.find()] == ["a"]
    reader.close()
    ledger.close()
    reader = Ledger(path, read_only=True)
    assert [one.id for one in reader.find()] == ["a"], "also while no notify runs"
    reader.close()


def test_a_ledger_behind_a_link_is_the_same_ledger(ledger: Ledger, tmp_path: Path) -> None:
    link = tmp_path / "other.db"
    link.symlink_to(tmp_path / "notify.db")
    with pytest.raises(ConfigError, match="in use by another"):
        Ledger(link)
    ledger.plan(planned("a"), NOW_US)
    reader = Ledger(link, read_only=True)
    assert [one.id for one in reader.find()] == ["a"]
    reader.close()
    loop = tmp_path / "loop.db"
    loop.symlink_to(loop)
    with pytest.raises(ConfigError, match="can't be used as a ledger"):
        Ledger(loop)


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notify.db"
    path.write_text("rules: {}" * 1000)
    with pytest.raises(ConfigError, match="can't be used as a ledger"):
        Ledger(path)
    with pytest.raises(ConfigError, match="there is no ledger"):
        Ledger(tmp_path / "none.db", read_only=True)


def killed_runs(folder: Path, first: int, step: int) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "support.notify.killed_ledger", str(folder), str(first), str(step)]
    path = {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'tests'}"}
    done = subprocess.run(command, env=os.environ | path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check_nothing_is_lost_or_doubled_without_a_mark(results: list[dict[str, Any]]) -> None:
    alerts = [one for one in messages() if isinstance(one, Alert) and one.state != "updated"]
    wanted = {f"{one.alert}:{one.state}": one.camera for one in alerts}
    for result in results:
        where = f"killed at statement {result['kill_at']}"
        sent = result["sent"]
        assert {one["id"] for one in sent} == wanted.keys(), where
        assert set(result["states"]) == {"sent"} and result["open"] == [], where
        for camera in ("door", "yard"):
            first_tries = list(dict.fromkeys(one["id"] for one in sent if one["lane"] == camera))
            assert first_tries == [name for name, other in wanted.items() if other == camera], where
        for name in wanted:
            tries = [one for one in sent if one["id"] == name]
            assert len({one["body"] for one in tries}) == 1, where
            numbers = [one["attempt"] for one in tries]
            assert numbers[0] >= 1 and numbers == sorted(set(numbers)), f"{where}: a repetition has its number"


def test_a_ledger_survives_kills_at_its_statements(tmp_path: Path) -> None:
    results = killed_runs(tmp_path, 3, 23)
    assert len(results) > 8
    check_nothing_is_lost_or_doubled_without_a_mark(results)


@pytest.mark.soak
def test_a_ledger_survives_a_kill_at_each_of_its_statements(tmp_path: Path) -> None:
    results = killed_runs(tmp_path, 1, 1)
    assert len(results) > 150
    check_nothing_is_lost_or_doubled_without_a_mark(results)


def test_an_alert_of_the_ledger_is_read_as_it_was_written(ledger: Ledger) -> None:
    row = AlertRow("1", "door", "fall", "r", True, 1, 2, 3, "", True, False, alert("1"))
    ledger.put_alert(row)
    assert ledger.alert("1") == row and ledger.open_alerts() == [row]
    assert ledger.closed_alerts(5) == []


def test_an_alert_that_only_an_older_version_accepted_is_left_out(ledger: Ledger) -> None:
    for name in ("old", "new"):
        row = AlertRow(name, "door", "fall", "r", True, NOW_US, NOW_US, NOW_US, "", True, True, alert(name))
        ledger.put_alert(row)
    ledger.db.execute("UPDATE alerts SET message = replace(message, ?, '-5') WHERE id = 'old'", (f"{NOW_US}",))
    assert [one.id for one in ledger.open_alerts()] == ["new"]
    assert ledger.alert("old") is None
    ledger.db.execute("UPDATE alerts SET open = 0")
    assert [one.id for one in ledger.closed_alerts(5)] == ["new"]
