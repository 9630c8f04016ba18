"""The published messages of alerts, kept so that the engine's next runs can replay them.

A run has a number, higher than those of earlier runs, also if none of its messages is kept. The number of a message
grows as well, so that the oldest ones are found without an index of times.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

import msgspec

from stream.incidents.incident import Statement
from stream.results import Alert

MOST_MESSAGES = 100_000
"""Maximum number of messages, about 60 MB."""
KEPT_US = 7 * 86_400_000_000
"""Maximum age of messages, if incidents are not kept for less."""
MOST_RUNS = 10_000
"""Runs that are known at most, besides those of kept messages."""
AT_ONCE = 200
"""Rows that one transaction deletes at most."""
MOST_LATER = 100
"""Later epochs that are named at once."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs(number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS messages(
  number INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER, topic TEXT, epoch INTEGER, seq INTEGER, kept_us INTEGER,
  body BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS by_seq ON messages(run, topic, epoch, seq);
"""
"""`messages.run` is a number of `runs`. Versions of partstream that do not know these tables ignore them."""

_RUN = "INSERT INTO runs(run) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM runs WHERE run = ?1)"
"""An insertion that is ignored would use a number of AUTOINCREMENT too, and `_OLD_RUNS` goes by the numbers."""
_MESSAGE = (
    "INSERT OR IGNORE INTO messages(run, topic, epoch, seq, kept_us, body) "
    "VALUES((SELECT number FROM runs WHERE run = ?), ?, ?, ?, ?, ?)"
)
_OLDEST = "SELECT number, kept_us FROM messages WHERE number >= ? ORDER BY number LIMIT ?"
_DELETE = "DELETE FROM messages WHERE number <= ?"
_OLD_RUNS = (
    "DELETE FROM runs WHERE number IN (SELECT number FROM runs WHERE number <= (SELECT max(number) FROM runs) - ? "
    "AND number < (SELECT coalesce(min(run), 1 << 62) FROM messages) ORDER BY number LIMIT ?)"
)


def run_statement(run: str) -> Statement:
    """Return the statement that makes a run known."""
    return Statement(_RUN, (run,))


def message_statements(topic: str, alert: Alert) -> Iterator[Statement]:
    """Yield the statements that keep a message."""
    yield run_statement(alert.run)
    kept_us = time.time_ns() // 1000
    values = (alert.run, topic, alert.epoch, alert.seq, kept_us, msgspec.json.encode(alert))
    yield Statement(_MESSAGE, values)


def delete_old(database: sqlite3.Connection, before_us: int) -> bool:
    """Delete messages that were kept before this time or are too many, and runs that are too many; a few at once.

    Return whether there may be more to delete.
    """
    (first,) = database.execute("SELECT min(number) FROM messages").fetchone()
    (last,) = database.execute("SELECT max(number) FROM messages").fetchone()
    up_to, deleted = None, 0
    for number, kept_us in database.execute(_OLDEST, (first, AT_ONCE)):
        if kept_us >= before_us and last - number < MOST_MESSAGES:
            break
        up_to, deleted = number, deleted + 1
    if deleted:
        database.execute(_DELETE, (up_to,))
    runs = database.execute(_OLD_RUNS, (MOST_RUNS, AT_ONCE)).rowcount
    return max(deleted, runs) >= AT_ONCE


# -- queries ----------------------------------------------------------------------------------------------------------
def run_number(database: sqlite3.Connection, run: str) -> int | None:
    """Return the number of a run; None if it is unknown."""
    row = database.execute("SELECT number FROM runs WHERE run = ?", (run,)).fetchone()
    return None if row is None else row[0]


def epochs_after(database: sqlite3.Connection, number: int, topic: str, epoch: int) -> list[int]:
    """Return the later epochs of which messages are kept, ascending, `MOST_LATER` at most."""
    query = "SELECT DISTINCT epoch FROM messages WHERE run = ? AND topic = ? AND epoch > ? ORDER BY epoch LIMIT ?"
    return [later for (later,) in database.execute(query, (number, topic, epoch, MOST_LATER))]


def oldest_seq(database: sqlite3.Connection, number: int, topic: str, epoch: int) -> int:
    """Return the number of the oldest message kept; 0 if none is."""
    query = "SELECT min(seq) FROM messages WHERE run = ? AND topic = ? AND epoch = ?"
    return database.execute(query, (number, topic, epoch)).fetchone()[0] or 0


def read(
    database: sqlite3.Connection, number: int, topic: str, epoch: int, from_seq: int, limit: int
) -> list[tuple[int, bytes]]:
    """Return (seq, body) of up to `limit` messages in order, from `from_seq` or the oldest kept after it."""
    query = "SELECT seq, body FROM messages WHERE run = ? AND topic = ? AND epoch = ? AND seq >= ? ORDER BY seq LIMIT ?"
    return database.execute(query, (number, topic, epoch, from_seq, limit)).fetchall()


def read_runs(
    database: sqlite3.Connection, number: int, present: str, from_number: int, limit: int
) -> list[tuple[int, bytes]]:
    """Return (number, body) of up to `limit` messages of a run and later ones, not of `present`, as they were kept."""
    query = (
        "SELECT number, body FROM messages WHERE number >= ? AND +run >= ? "
        "AND +run IS NOT (SELECT number FROM runs WHERE run = ?) ORDER BY number LIMIT ?"
    )
    return database.execute(query, (from_number, number, present, limit)).fetchall()
