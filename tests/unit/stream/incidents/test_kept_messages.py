"""The messages of alerts that are kept for the engine's next runs: order, bounds, damage, older databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.incidents import database, kept_messages
from stream.incidents.incident import IncidentQuery
from stream.messaging.replay import ALERTS, EarlierUnavailableError
from stream.results import decode
from support.incidents import alert, event, give, opened
from support.waiting import wait_until

DOOR, YARD = f"{ALERTS}door/", f"{ALERTS}yard/"
FIRST, SECOND, THIRD = "1" * 32, "2" * 32, "3" * 32


def keep(connection: sqlite3.Connection, run: str, topic: str, epoch: int, seq: int) -> None:
    for sql, values in kept_messages.message_statements(topic, alert(1, run=run, epoch=epoch, seq=seq)):
        connection.execute(sql, values)


def kept(connection: sqlite3.Connection, topic: str = DOOR, run: str = FIRST, epoch: int = 1) -> list[int]:
    number = kept_messages.run_number(connection, run)
    found = [] if number is None else kept_messages.read(connection, number, topic, epoch, 0, 1000)
    return [seq for seq, _ in found]


@pytest.fixture
def empty() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(kept_messages.SCHEMA)
    yield connection
    connection.close()


# -- the store ------------------------------------------------------------------------------------------------------
def test_messages_of_alerts_are_there_in_the_next_run_as_they_were_published(tmp_path: Path) -> None:
    made = opened(tmp_path)
    sent = [alert(1, seq=0), alert(1, "updated", seq=1), alert(1, "cleared", seq=2), alert(2, epoch=2, seq=0)]
    for message in (*sent, event(3)):
        made.take(DOOR if message in sent else "events/v1/door/", message)
    made.close()
    again = opened(tmp_path)
    source = again.earlier(DOOR, sent[0].run, 1)
    assert source is not None and source.oldest_seq() == 0
    assert [(seq, decode(body)) for seq, body in source.read(1, 10)] == [(1, sent[1]), (2, sent[2])]
    assert source.later_epochs() == [2]
    asked = again.earlier(ALERTS, sent[0].run, 0)
    assert asked is not None and [decode(body) for _, body in asked.read(0, 10)] == sent
    assert again.earlier(DOOR, "f" * 32, 1) is None, "an unknown run"
    assert again.earlier("events/v1/door/", sent[0].run, 1) is None
    again.close()


def test_a_run_without_alerts_is_known_too(tmp_path: Path) -> None:
    made = opened(tmp_path)
    give(made, event(1, run=FIRST))
    made.close()
    again = opened(tmp_path)
    again.take(DOOR, alert(1, run=SECOND))
    wait_until(lambda: again.waiting == 0)
    asked = again.earlier(ALERTS, FIRST, 0)
    assert asked is not None and asked.read(0, 10) == [], "the present run is not an earlier one"
    again.close()
    third = opened(tmp_path)
    asked = third.earlier(ALERTS, FIRST, 0)
    assert asked is not None and [decode(body) for _, body in asked.read(0, 10)] == [alert(1, run=SECOND)]
    third.close()


def test_a_run_whose_first_write_fails_is_known_after_a_later_message(tmp_path: Path) -> None:
    made = opened(tmp_path)
    assert made._database is not None
    made._database.execute("ALTER TABLE runs RENAME TO elsewhere")
    give(made, event(1, run=FIRST))
    assert set(made.dropped) <= {"event"}, "only incidents are counted"  # the event may be written after the run
    made._database.execute("ALTER TABLE elsewhere RENAME TO runs")
    give(made, event(1, "ended", run=FIRST))
    assert made.earlier(ALERTS, FIRST, 0) is not None
    made.close()


def test_a_run_that_finds_the_queue_full_is_known_after_a_later_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened(tmp_path)
    with monkeypatch.context() as full:
        full.setattr("stream.incidents.store.MOST_WAITING", 0)
        give(made, event(1, "ended", run=FIRST))
    give(made, event(1, "ended", run=FIRST))
    assert made.earlier(ALERTS, FIRST, 0) is not None
    made.close()


def test_an_incident_and_its_message_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    made = opened(tmp_path)
    assert made._database is not None
    made._database.execute("ALTER TABLE messages RENAME TO elsewhere")
    give(made, alert(1))
    wait_until(lambda: made.dropped["alert"] == 1)
    made._database.execute("ALTER TABLE elsewhere RENAME TO messages")
    assert made.find(IncidentQuery()) == []
    made.take(DOOR, alert(2))
    wait_until(lambda: made.waiting == 0)
    source = made.earlier(DOOR, alert(2).run, 1)
    assert source is not None and len(source.read(0, 9)) == len(made.find(IncidentQuery())) == 1
    made.close()


def test_a_damaged_database_is_an_error_and_then_replaced(tmp_path: Path) -> None:
    made = opened(tmp_path)
    made.take(DOOR, alert(1))
    made.close()
    path = tmp_path / database.NAME
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * (path.stat().st_size - 100))
    with pytest.raises(EarlierUnavailableError):
        made.earlier(DOOR, alert(1).run, 1)
    again = opened(tmp_path)
    assert again.earlier(DOOR, alert(1).run, 1) is None
    again.take(DOOR, alert(2))
    wait_until(lambda: again.waiting == 0)
    assert again.earlier(DOOR, alert(1).run, 1) is not None
    again.close()


def test_a_database_of_an_earlier_version_keeps_its_incidents_and_gets_the_messages(tmp_path: Path) -> None:
    made = opened(tmp_path)
    give(made, alert(1), event(2))
    made.close()
    with sqlite3.connect(tmp_path / database.NAME) as old:
        old.executescript("DROP TABLE messages; DROP TABLE runs;")
    old.close()
    again = opened(tmp_path)
    assert {one.id for one in again.find(IncidentQuery())} == {"0123abcd-1", "e0123abcd-2"}
    again.take(DOOR, alert(3))
    wait_until(lambda: again.waiting == 0)
    source = again.earlier(DOOR, alert(3).run, 1)
    assert source is not None and len(source.read(0, 9)) == 1
    again.close()


# -- what is kept ---------------------------------------------------------------------------------------------------
def test_messages_beyond_the_maximum_are_deleted_oldest_first_in_steps(
    empty: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_messages, "AT_ONCE", 4)
    monkeypatch.setattr(kept_messages, "MOST_MESSAGES", 10)
    for seq in range(25):
        keep(empty, FIRST, DOOR, 1, seq)
    steps = [len(kept(empty))]
    while kept_messages.delete_old(empty, 0):
        steps.append(len(kept(empty)))
    assert steps == [25, 21, 17, 13] and kept(empty) == list(range(15, 25))
    keep(empty, FIRST, DOOR, 1, 25)
    kept_messages.delete_old(empty, 0)
    assert kept(empty) == list(range(16, 26))


def test_messages_that_are_too_old_are_deleted_and_their_run_stays_known(empty: sqlite3.Connection) -> None:
    for seq in range(3):
        keep(empty, FIRST, DOOR, 1, seq)
    empty.execute("UPDATE messages SET kept_us = 7 * number")
    assert not kept_messages.delete_old(empty, 15)
    assert kept(empty) == [2]
    kept_messages.delete_old(empty, 1 << 60)
    assert kept(empty) == [] and kept_messages.run_number(empty, FIRST) == 1
    assert not kept_messages.delete_old(empty, 1 << 60)


def test_runs_beyond_the_maximum_are_forgotten_unless_messages_of_them_are_kept(
    empty: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_messages, "MOST_RUNS", 2)

    def known() -> list[str]:
        return [run for (run,) in empty.execute("SELECT run FROM runs ORDER BY number")]

    for run in ("a", "b"):
        empty.execute(*kept_messages.run_statement(run))
    keep(empty, "c", DOOR, 1, 0)
    for run in ("d", "e", "f"):
        empty.execute(*kept_messages.run_statement(run))
    kept_messages.delete_old(empty, 0)
    assert known() == ["c", "d", "e", "f"]
    kept_messages.delete_old(empty, 1 << 60)
    kept_messages.delete_old(empty, 1 << 60)
    assert known() == ["e", "f"]
    empty.execute(*kept_messages.run_statement("g"))
    assert kept_messages.run_number(empty, "g") == 7, "numbers are not given again"


def test_messages_of_a_run_use_no_numbers_of_runs(empty: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_messages, "MOST_RUNS", 3)
    empty.execute(*kept_messages.run_statement(FIRST))
    for seq in range(10):
        keep(empty, SECOND, DOOR, 1, seq)
    empty.execute(*kept_messages.run_statement(THIRD))
    kept_messages.delete_old(empty, 0)
    assert [kept_messages.run_number(empty, run) for run in (FIRST, SECOND, THIRD)] == [1, 2, 3]


def test_each_query_searches_the_index(empty: sqlite3.Connection) -> None:
    keep(empty, FIRST, DOOR, 1, 0)
    keep(empty, SECOND, YARD, 2, 0)
    seen: set[str] = set()
    empty.set_trace_callback(seen.add)
    kept_messages.epochs_after(empty, 1, DOOR, 0)
    kept_messages.oldest_seq(empty, 1, DOOR, 1)
    kept_messages.read(empty, 1, DOOR, 1, 0, 10)
    kept_messages.read_runs(empty, 1, SECOND, 1, 10)
    empty.set_trace_callback(None)
    steps = [step for sql in seen for *_, step in empty.execute(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(steps) > 5 and not [step for step in steps if "SCAN" in step or "B-TREE" in step]


def test_all_since_a_run_are_read_in_the_order_in_which_they_were_kept_page_by_page(empty: sqlite3.Connection) -> None:
    parts = [(FIRST, DOOR, 1, 0), (SECOND, YARD, 1, 0), (SECOND, DOOR, 4, 0), (SECOND, YARD, 1, 1), (THIRD, DOOR, 1, 0)]
    for part in parts:
        keep(empty, *part)
    found: list[tuple[int, int]] = []
    while page := kept_messages.read_runs(empty, 2, THIRD, found[-1][0] + 1 if found else 0, 2):
        found += [(number, decode(body).seq) for number, body in page]
    assert found == [(2, 0), (3, 0), (4, 1)]
