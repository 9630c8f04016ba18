"""What is too old or too much is found by indexes, and deleted in steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream.incidents import database, kept_messages, retention
from stream.incidents.database import FrameKey
from stream.incidents.incident import IncidentQuery
from stream.incidents.picture_files import PictureFiles
from stream.incidents.retention import Retention
from support.incidents import RUN, S, alert, event

COUNTS = {f"SELECT count(*) FROM incidents WHERE verdict IS {null}" for null in ("NULL", "NOT NULL")}
"""The statements that read a whole index: some ms for 100,000."""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = database.open_for_writing(tmp_path)
    yield connection
    connection.close()


def keep(connection: sqlite3.Connection, files: PictureFiles, numbers: range) -> None:
    """Keep alerts and their pictures, one a second from the epoch on."""
    for number in numbers:
        for statement in database.statements(alert(number), True, None):
            connection.execute(statement.sql, statement.values | {"kept_us": number * S})
        for statement in kept_messages.message_statements("alerts/v1/door/", alert(number, seq=number)):
            connection.execute(*statement)
        key = FrameKey(RUN, "door", 1, number)
        name = files.write(key, number * S, b"jpeg")
        connection.execute(database.PICTURE, (*key, name, 100, number * S, b"result"))


def test_no_statement_of_a_look_reads_a_whole_table(tmp_path: Path, opened: sqlite3.Connection) -> None:
    files = PictureFiles(tmp_path)
    keep(opened, files, range(10))
    seen: set[str] = set()
    opened.set_trace_callback(seen.add)
    for _ in range(2):
        Retention(files).free_bytes(opened, 500, 100)
        Retention(files).delete_old(opened, 5 * S)
    opened.set_trace_callback(None)
    plans = {sql: opened.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall() for sql in seen}
    assert len(plans) > 10
    scans = {sql: step for sql, plan in plans.items() for *_, step in plan if "SCAN" in step and "INDEX" not in step}
    sorts = {sql for sql, plan in plans.items() for *_, step in plan if "TEMP B-TREE" in step}
    assert (scans, sorts) == ({}, set())
    reads = {sql for sql, plan in plans.items() for *_, step in plan if "SCAN" in step} - COUNTS
    assert all("LIMIT" in sql for sql in reads), reads


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (IncidentQuery(verdict="wrong"), "judged"),
        (IncidentQuery(rule="visitor"), "of_rule"),
        (IncidentQuery(action="fall"), "by_action"),
        (IncidentQuery(), "by_time"),
    ],
)
def test_lists_are_read_in_the_order_of_an_index(opened: sqlite3.Connection, query: IncidentQuery, index: str) -> None:
    seen: list[str] = []
    opened.set_trace_callback(seen.append)
    database.find(opened, query)
    opened.set_trace_callback(None)
    plan = " ".join(step for *_, step in opened.execute(f"EXPLAIN QUERY PLAN {seen[0]}"))
    assert f"INDEX {index}" in plan and "TEMP B-TREE" not in plan


def test_what_is_old_is_deleted_in_steps_until_nothing_is_left(
    tmp_path: Path, opened: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 4)
    files, steps, freed = PictureFiles(tmp_path), 0, 0
    keep(opened, files, range(1, 21))
    opened.execute("UPDATE incidents SET verdict = 'right' WHERE frame IN (2, 9)")
    for statement in database.statements(event(30), True, None):
        opened.execute(statement.sql, statement.values | {"kept_us": 30 * S})
    old, more = Retention(files), True
    while more:
        bytes_freed, more = old.delete_old(opened, 16 * S)
        steps, freed = steps + 1, freed + bytes_freed
    assert freed == 15 * 100 and 4 <= steps <= 10
    assert [frame for (frame,) in opened.execute("SELECT frame FROM incidents ORDER BY frame")] == [
        2,
        9,
        *range(16, 21),
        30,
    ]
    kept = opened.execute("SELECT frame, bytes FROM pictures ORDER BY frame").fetchall()
    assert kept == [(2, None), (9, None), *((frame, 100) for frame in range(16, 21))]
    assert old.delete_old(opened, 16 * S) == (0, False)
    assert len(list(tmp_path.glob("pictures/*/*"))) == 5


def test_a_database_of_an_earlier_version_gets_the_indexes(tmp_path: Path, opened: sqlite3.Connection) -> None:
    for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall():
        opened.execute(f"DROP INDEX {name}")
    opened.execute("CREATE INDEX by_rule ON incidents(rule, began_us, id)")
    opened.close()
    with database.open_for_writing(tmp_path) as again:
        names = {name for (name,) in again.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {"judged", "unjudged", "of_rule", "kept_pictures", "gone_pictures"} <= names and "by_rule" not in names
