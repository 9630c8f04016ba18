from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.messaging.gaps import Position
from stream.notify.delivery import Failed
from stream.notify.ledger import Delivery, Ledger
from stream.results import Alert, Message, topic
from stream.settings.config_error import ConfigError
from support.notify.fed_alerts import NOW_US, SECOND, alert
from support.notify.without_network import Notify


def planned(name: str, lane: str = "door", **fields: Any) -> Delivery:
    return Delivery(name, "hook", "began", b"{}", lane, name, **fields)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
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
    assert ledger.count_since("hook", "pending") == (2, NOW_US)


def test_positions_keep_the_latest_run_and_epochs_and_those_of_the_run_that_was_read_last_come_last(
    ledger: Ledger,
) -> None:
    door, yard, stats = "alerts/v1/door/", "alerts/v1/yard/", "stats/v1/"
    ledger.reached([Position(door, "r1", epoch, 5) for epoch in range(12)])
    assert {one.epoch for one in ledger.positions()} == set(range(4, 12))
    ledger.reached([Position(yard, "r1", 1, 5), Position(stats, "r1", 0, 9), Position(door, "r2", 1, 4)])
    assert [(one.topic, one.run) for one in ledger.positions()] == [(yard, "r1"), (stats, "r1"), (door, "r2")]
    ledger.reached([Position(stats, "r0", 0, 1)])  # runs have random names
    assert [(one.topic, one.run) for one in ledger.positions()][-1] == (stats, "r0")


def test_old_messages_are_pruned_and_those_that_wait_or_are_to_be_summed_up_are_kept(ledger: Ledger) -> None:
    for name, state, due_us in [("a", "pending", 0), ("b", "held", 0), ("c", "held", 9), ("d", "pending", 0)]:
        ledger.plan(planned(name, state=state, due_us=due_us), NOW_US)
    ledger.tried(ledger.find()[0].seq, "sent", NOW_US)
    ledger.prune(NOW_US + 8 * 24 * 3_600_000_000, keep_days=7)
    assert [one.id for one in ledger.find()] == ["c", "d"]


def test_one_notify_sends_with_a_ledger_also_by_another_name_and_others_read_it(ledger: Ledger, tmp_path: Path) -> None:
    path, link = tmp_path / "notify.db", tmp_path / "other.db"
    link.symlink_to(path)
    for one in (path, link):
        with pytest.raises(ConfigError, match="in use by another"):
            Ledger(one)
    ledger.plan(planned("a"), NOW_US)
    reader = Ledger(link, locked=False)
    assert [one.id for one in reader.find()] == ["a"]
    reader.close()


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notify.db"
    path.write_text("rules: {}" * 1000)
    with pytest.raises(ConfigError, match="can't be used as a ledger"):
        Ledger(path)
    with pytest.raises(ConfigError, match="there is no ledger"):
        Ledger(tmp_path / "none.db", locked=False)


# -- kills ------------------------------------------------------------------------------------------------------
MESSAGES: list[Alert] = [
    alert("d1", seq=0),
    alert("y1", seq=0, camera="yard"),
    alert("d1", "updated", seq=1),
    alert("d2", seq=2),
    alert("d1", "cleared", seq=3),
    alert("y1", "cleared", seq=1, camera="yard"),
    alert("d2", "cleared", seq=4),
]
Try = tuple[str, str, int, bytes]
"""What a target has got: lane, id, number of the try, body."""


def run(notify: Notify, tries: list[Try]) -> None:
    """Read what was not read yet, two messages at a time, and send what waits; the first try of some fails."""
    read = {one.topic: one.next_seq for one in notify.ledger.positions()}
    left: list[Message] = [one for one in MESSAGES if one.seq >= read.get(topic("alerts", one.camera), 0)]
    while left or notify.ledger.lanes("hook"):
        burst, left = left[:2], left[2:]
        if burst:
            notify.take(*burst)
        for lane in notify.ledger.lanes("hook"):
            attempt = notify.begin(lane)
            tries.append((lane, attempt.delivery.id, attempt.number, attempt.body))
            fails = attempt.number == 1 and attempt.delivery.seq % 3 == 0
            notify.outbox.end(attempt, Failed("answered 500") if fails else None, notify.now_us, 0)
        notify.now_us += SECOND
        notify.tick()


def test_every_alert_arrives_in_order_once_or_marked_if_notify_is_killed_after_any_statement(tmp_path: Path) -> None:
    """A process that is killed leaves its files as they were: they are copied before each statement is executed."""
    notify, sent = Notify(tmp_path), list[Try]()
    kills: list[tuple[Path, list[Try]]] = []

    def killed(statement: str) -> None:
        folder = tmp_path / str(len(kills))
        folder.mkdir()
        for file in ("notify.db", "notify.db-wal"):
            shutil.copyfile(tmp_path / file, folder / file)
        kills.append((folder, sent.copy()))

    notify.ledger.db.set_trace_callback(killed)
    run(notify, sent)
    notify.ledger.db.set_trace_callback(None)
    notify.ledger.close()
    wanted = [(one.camera, f"{one.alert}:{one.state}") for one in MESSAGES if one.state != "updated"]
    assert len(kills) > 100
    for folder, tries in kills:
        after = Notify(folder)
        run(after, tries)
        for camera in ("door", "yard"):
            arrived = list(dict.fromkeys(name for lane, name, _, _ in tries if lane == camera))
            assert arrived == [name for lane, name in wanted if lane == camera], folder
        for _, name in wanted:
            numbers, bodies = zip(*((number, body) for _, other, number, body in tries if other == name), strict=True)
            assert list(numbers) == sorted(set(numbers)) and len(set(bodies)) == 1, "a repetition is marked"
        assert after.opened == set() and {one.state for one in after.ledger.find()} == {"sent"}, folder
        after.ledger.close()
