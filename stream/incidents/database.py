"""The database of incidents: its tables, and the conversion of messages into statements.

Pictures belong to frames, not to incidents: what begins in the same frame shares one. An incident finds its picture by
run, camera, epoch and frame.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from stream.incidents import kept_messages
from stream.incidents.incident import Bucket, Incident, IncidentQuery, Statement
from stream.results import Alert, ClipReady, Event, ModelRef

NAME = "incidents.db"
VERSION = 1
DAMAGED = ".damaged-"
MOST_DAMAGED = 2
"""Damaged databases that are kept for people to look at; older ones are deleted."""

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS incidents(
  id TEXT PRIMARY KEY, kind TEXT, camera TEXT, run TEXT, epoch INTEGER, frame INTEGER, track INTEGER, rule TEXT,
  action TEXT, severity TEXT, reason TEXT, score REAL, began_us INTEGER, ended_us INTEGER, media_time_us INTEGER,
  acknowledged_us INTEGER, clip TEXT, model BLOB, kept_us INTEGER, verdict TEXT, truth TEXT, by TEXT, at_us INTEGER);
CREATE INDEX IF NOT EXISTS by_time ON incidents(began_us, id, kind);
CREATE INDEX IF NOT EXISTS by_camera ON incidents(camera, began_us, id);
DROP INDEX IF EXISTS by_rule;
CREATE INDEX IF NOT EXISTS of_rule ON incidents(rule, began_us, id) WHERE rule IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_action ON incidents(action, began_us, id);
CREATE INDEX IF NOT EXISTS judged ON incidents(verdict, began_us, id) WHERE verdict IS NOT NULL;
CREATE INDEX IF NOT EXISTS judged_frames ON incidents(camera, run, epoch, frame) WHERE verdict IS NOT NULL;
CREATE INDEX IF NOT EXISTS unjudged ON incidents(kept_us) WHERE verdict IS NULL;
CREATE INDEX IF NOT EXISTS by_frame ON incidents(camera, run, epoch, media_time_us);
CREATE TABLE IF NOT EXISTS pictures(
  run TEXT, camera TEXT, epoch INTEGER, frame INTEGER, file TEXT, bytes INTEGER, kept_us INTEGER, result BLOB,
  PRIMARY KEY(run, camera, epoch, frame));
CREATE INDEX IF NOT EXISTS kept_pictures ON pictures(kept_us, bytes) WHERE bytes IS NOT NULL;
CREATE INDEX IF NOT EXISTS gone_pictures ON pictures(kept_us) WHERE bytes IS NULL;
CREATE TABLE IF NOT EXISTS deleted(prefix TEXT PRIMARY KEY, highest INTEGER);
PRAGMA user_version = {VERSION};
"""
"""`pictures.bytes` is null once the file was deleted. `deleted` has the highest number of the ids of each run that were
deleted, so that they can be told from ids that never existed. Partial indexes serve `retention`, which otherwise reads
whole tables, and take no room for other rows."""

_BEGAN = (
    "INSERT OR IGNORE INTO incidents VALUES(:id, :kind, :camera, :run, :epoch, :frame, :track, :rule, :action, "
    ":severity, :reason, :score, :began_us, NULL, :media_time_us, NULL, NULL, :model, :kept_us, NULL, NULL, NULL, NULL)"
)
_ENDED = "UPDATE incidents SET ended_us = ? WHERE id = ?"
_ACKNOWLEDGED = "UPDATE incidents SET acknowledged_us = ? WHERE id = ?"
_IN_CLIP = (
    "UPDATE incidents SET clip = ? WHERE camera = ? AND run = ? AND epoch = ? AND media_time_us BETWEEN ? AND ? "
    "AND clip IS NULL"
)
PICTURE = "INSERT OR REPLACE INTO pictures VALUES(?, ?, ?, ?, ?, ?, ?, ?)"
VERDICT = "UPDATE incidents SET verdict = ?, truth = ?, by = ?, at_us = ? WHERE id = ?"
_PICTURE = (
    "SELECT p.file, p.bytes, p.result FROM incidents i LEFT JOIN pictures p USING(run, camera, epoch, frame) "
    "WHERE i.id = ?"
)
_WITH_PICTURES = (
    "SELECT i.id FROM incidents i JOIN pictures p USING(run, camera, epoch, frame) WHERE p.bytes IS NOT NULL AND i.id "
)
_SELECT = (
    "SELECT i.id, i.kind, i.camera, i.run, i.epoch, i.frame, i.track, i.rule, i.action, i.severity, i.reason, i.score, "
    "i.began_us, i.ended_us, i.media_time_us, i.acknowledged_us, p.bytes IS NOT NULL AS picture, i.clip, i.model, "
    "i.verdict, i.truth, i.by, i.at_us FROM incidents i LEFT JOIN pictures p USING(run, camera, epoch, frame)"
)

Value = str | int | float | bytes | None


class FrameKey(NamedTuple):
    """What identifies a frame, and so its picture."""

    run: str
    camera: str
    epoch: int
    frame: int


def statements(message: Alert | Event | ClipReady, begins: bool, model: bytes | None) -> Iterator[Statement]:
    """Yield what a message changes. `begins`: whether it begins an incident that is to be kept."""
    match message:
        case Alert():
            if begins:
                yield Statement(_BEGAN, _began(message, model))
            elif message.state == "cleared":
                yield Statement(_ENDED, (message.capture_us, message.alert))
            elif message.acknowledged_us is not None:
                yield Statement(_ACKNOWLEDGED, (message.acknowledged_us, message.alert))
        case Event():
            ended = message.event if message.kind == "ended" else message.previous_event
            if ended is not None:
                yield Statement(_ENDED, (message.capture_us, ended))
            if begins:
                yield Statement(_BEGAN, _began(message, model))
        case ClipReady():
            span = (message.start_media_time_us, message.end_media_time_us)
            yield Statement(_IN_CLIP, (message.clip, message.camera, message.run, message.epoch, *span))


def _began(message: Alert | Event, model: bytes | None) -> dict[str, Value]:
    common: dict[str, Value] = {
        "camera": message.camera,
        "run": message.run,
        "epoch": message.epoch,
        "frame": message.frame,
        "track": message.track,
        "score": message.score,
        "began_us": message.capture_us,
        "media_time_us": message.media_time_us,
        "model": model,
        "kept_us": time.time_ns() // 1000,
    }
    if isinstance(message, Alert):
        own = {"id": message.alert, "kind": "alert", "rule": message.rule, "action": message.action}
        return common | own | {"severity": message.severity, "reason": message.reason}
    own = {"id": message.event, "kind": "event", "rule": None, "action": message.label, "severity": None}
    return common | own | {"reason": f"{message.label.replace('_', ' ')} {message.score:.2f}"}


# -- files ------------------------------------------------------------------------------------------------------------
def open_for_writing(folder: Path) -> sqlite3.Connection:
    """Open the database, and create it if there is none. Raises OSError or `sqlite3.Error`; see `is_damaged`.

    Killing the process loses nothing, a power failure may lose the last second.
    """
    os.close(os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite's other files follow it
    connection = sqlite3.connect(folder / NAME, isolation_level=None, check_same_thread=False)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(
                f"{NAME} has version {version}, and this version of partstream writes {VERSION}: update partstream, or "
                "set another incidents.directory"
            )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if _is_foreign(connection):
            raise ForeignDatabaseError(f"{NAME} has tables of another program")
        connection.executescript(SCHEMA + kept_messages.SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


class ForeignDatabaseError(sqlite3.DatabaseError):
    """A table of the database has other columns, so that nothing can be kept in it."""


def _is_foreign(connection: sqlite3.Connection) -> bool:
    with closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(SCHEMA + kept_messages.SCHEMA)
        tables = [name for (name,) in expected.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns, found = (
                [row[1] for row in one.execute(f"PRAGMA table_info({table})")] for one in (expected, connection)
            )
            if found and found != columns:
                return True
    return False


def is_damaged(error: sqlite3.Error) -> bool:
    """Return whether SQLite found the database damaged, or it is foreign. Other errors do not say so."""
    if isinstance(error, ForeignDatabaseError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def confirm_damage(folder: Path) -> bool:
    """Return whether a look at the whole database finds it damaged. Takes some 0.1 s for 100 MB."""
    try:
        with reading(folder) as connection:
            return connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.Error as error:
        return is_damaged(error)


def put_aside(folder: Path) -> Path:
    """Rename the database and its journal, so that a new one can be created. Return the new name. Raises OSError."""
    aside = folder / f"{NAME}{DAMAGED}{time.time_ns()}"
    with suppress(FileNotFoundError):
        (folder / f"{NAME}-wal").rename(f"{aside}-wal")  # the latest incidents may be only there
    (folder / f"{NAME}-shm").unlink(missing_ok=True)
    (folder / NAME).rename(aside)
    for old in sorted(folder.glob(f"{NAME}{DAMAGED}*[0-9]"))[:-MOST_DAMAGED]:
        for path in (old, Path(f"{old}-wal")):
            path.unlink(missing_ok=True)
    return aside


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for one query. Raises `sqlite3.Error`."""
    with closing(
        sqlite3.connect(f"{(folder / NAME).absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    ) as connection:
        yield connection


# -- queries ----------------------------------------------------------------------------------------------------------
def find(connection: sqlite3.Connection, query: IncidentQuery) -> list[Incident]:
    """Return the incidents that match, the latest first."""
    where, values = _conditions(query)
    if query.before is not None:
        where.append("(i.began_us, i.id) < (?, ?)")
        values.extend(query.before)
    sql = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY i.began_us DESC, i.id DESC LIMIT ?"
    return [_incident(row) for row in connection.execute(sql, (*values, query.limit))]


def get(connection: sqlite3.Connection, name: str) -> Incident | None:
    """Return the incident of this id, or None."""
    row = connection.execute(f"{_SELECT} WHERE i.id = ?", (name,)).fetchone()
    return None if row is None else _incident(row)


def timeline(connection: sqlite3.Connection, query: IncidentQuery, buckets: int) -> list[Bucket]:
    """Return how many of the incidents that match began in each part of `from_us` … `to_us`, which are needed."""
    assert query.from_us is not None and query.to_us is not None
    where, values = _conditions(query)
    width = max(1, -(-(query.to_us - query.from_us) // buckets))
    counts = {number: [0, 0] for number in range(-(-(query.to_us - query.from_us) // width))}
    sql = f"SELECT (i.began_us - ?) / ?, i.kind, count(*) FROM incidents i WHERE {' AND '.join(where)} GROUP BY 1, 2"
    for number, kind, count in connection.execute(sql, (query.from_us, width, *values)):
        counts[number][kind == "event"] = count
    return [Bucket(query.from_us + number * width, *found) for number, found in counts.items()]


class PictureRow(NamedTuple):
    """Where a picture is. `file` is None if none was taken, `bytes` if it was deleted."""

    file: str | None
    bytes: int | None
    result: bytes | None


def picture_of(connection: sqlite3.Connection, name: str) -> PictureRow | None:
    """Return where the picture of an incident is; None if there is no such incident."""
    row = connection.execute(_PICTURE, (name,)).fetchone()
    return None if row is None else PictureRow(*row)


def with_pictures(connection: sqlite3.Connection, names: Collection[str]) -> set[str]:
    """Return which of these incidents have a picture."""
    sql = f"{_WITH_PICTURES} IN ({', '.join('?' * len(names))})"
    return {name for (name,) in connection.execute(sql, tuple(names))}


def was_deleted(connection: sqlite3.Connection, name: str) -> bool:
    """Return whether there was an incident of this id."""
    prefix, _, number = name.rpartition("-")
    row = connection.execute("SELECT highest FROM deleted WHERE prefix = ?", (prefix,)).fetchone()
    return row is not None and number.isascii() and number.isdigit() and 0 < int(number) <= row[0]


def _conditions(query: IncidentQuery) -> tuple[list[str], list[Value]]:
    where, values = ["TRUE"], list[Value]()
    if query.cameras is not None:
        where.append(f"i.camera IN ({', '.join('?' * len(query.cameras))})")
        values.extend(query.cameras)
    if query.verdict is not None:
        where.append("i.verdict IS NULL" if query.verdict == "none" else "i.verdict = ?")
        values.extend([] if query.verdict == "none" else [query.verdict])
    for condition, value in (
        ("i.kind = ?", query.kind),
        ("i.rule = ?", query.rule),
        ("i.action = ?", query.action),
        ("i.began_us >= ?", query.from_us),
        ("i.began_us < ?", query.to_us),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    return where, values


def _incident(row: tuple[Any, ...]) -> Incident:
    fields = dict(zip(Incident.__struct_fields__, row, strict=True))
    model = fields["model"]
    return Incident(
        **fields
        | {
            "picture": bool(fields["picture"]),
            "model": None if model is None else msgspec.json.decode(model, type=ModelRef),
        }
    )
