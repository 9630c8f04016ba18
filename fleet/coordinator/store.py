"""What the coordinator remembers: a SQLite file on its node.

It has the cameras that differ from the configuration, the generation and the last place of each camera, the drains,
what is hidden of cameras, and when it was created. Everything that is written is on the disk before the coordinator
acts on it. A damaged file is moved aside; the engines' reports then replace what it had.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream import file_lock
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

VERSION = 1
DAMAGED = ".damaged"
"""Ending of the name of a damaged file that was moved aside, followed by a number from the second on."""
MOST_DAMAGED = 9
"""Damaged files that are kept: the first ones, and the last one."""

_TABLES = """
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cameras (camera TEXT PRIMARY KEY, settings TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places
    (camera TEXT PRIMARY KEY, generation INTEGER NOT NULL, engine TEXT, run TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drains (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hidden (body TEXT PRIMARY KEY) WITHOUT ROWID;
"""

Statement = tuple[str, Sequence[object]]
"""SQL and its parameters."""


TRIAL: Statement = (
    "INSERT INTO numbers VALUES ('trial', 1) ON CONFLICT(name) DO UPDATE SET value = (value + 1) & 1023",
    (),
)
"""Changes a number that has no meaning: SQLite does not write a page that stays the same."""


class StoreError(Exception):
    """Nothing was written. The message says why."""


@dataclass(frozen=True, slots=True)
class LastPlace:
    """Where a camera was placed last; `engine` and `run` are None if nowhere."""

    generation: int
    engine: str | None = None
    run: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The content of the store."""

    created_ms: int
    """When it was created, milliseconds since 1970: lower generations were given by a coordinator without it."""
    floor: int
    """No lower generation may be given."""
    cameras: Mapping[str, Mapping[str, Any] | None]
    """Settings of cameras that were added or changed since the configuration; None: it was removed."""
    places: Mapping[str, LastPlace]
    drains: frozenset[str]
    hidden: Sequence[Mapping[str, Any]]
    """What is hidden of cameras, as `HiddenCamera`."""
    ttl_ms: int = 0
    """The longest lease that an engine can still have of the coordinators before."""


def camera_changed(camera: str, settings: Mapping[str, Any] | None) -> Statement:
    """Keep a camera's settings; None: it was removed, although the configuration has it."""
    return "INSERT OR REPLACE INTO cameras VALUES (?, ?)", (camera, None if settings is None else json.dumps(settings))


def camera_as_configured(camera: str) -> Statement:
    """Forget a camera's settings: they are those of the configuration, or it has none."""
    return "DELETE FROM cameras WHERE camera = ?", (camera,)


def placed(camera: str, place: LastPlace) -> Statement:
    """Keep where a camera is placed."""
    values = (camera, place.generation, place.engine, place.run)
    return "INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)", values


def place_forgotten(camera: str) -> Statement:
    """Forget a camera that was removed."""
    return "DELETE FROM places WHERE camera = ?", (camera,)


def drain_begun(name: str) -> Statement:
    """Keep a drain."""
    return "INSERT OR IGNORE INTO drains VALUES (?)", (name,)


def drain_ended(name: str) -> Statement:
    """Forget a drain."""
    return "DELETE FROM drains WHERE name = ?", (name,)


def camera_hidden(hidden: Mapping[str, Any]) -> Statement:
    """Keep what is hidden of a camera, also after it was removed."""
    return "INSERT OR IGNORE INTO hidden VALUES (?)", (json.dumps(hidden, sort_keys=True),)


def floor_raised(floor: int) -> Statement:
    """Keep the lowest generation that may be given."""
    return "INSERT OR REPLACE INTO numbers VALUES ('floor', ?)", (floor,)


def ttl_kept(ttl_ms: int) -> Statement:
    """Keep the longest lease that an engine can have."""
    return "INSERT OR REPLACE INTO numbers VALUES ('ttl_ms', ?)", (ttl_ms,)


class Store:
    """The file. Its methods block; any thread may call them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        """For the connection: closing it while another thread writes would crash."""
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._replacing = False
        """Whether a damaged file was moved aside, and the one in its place is not finished."""

    def open(self) -> Kept:
        """Open or create the file, and return its content.

        Raises `ConfigError` naming `coordinator.store` if it is in use by another coordinator, or cannot be used.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(f"{self.path.name}.lock")
            self._lock = file_lock.hold(lock)
            if self._lock is None:
                holder = file_lock.holder_of(lock)
                raise ConfigError(f"coordinator.store: {self.path} is in use by another coordinator ({holder})")
            try:
                return self._open()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # the disk, not the content
                    raise
                self._move_aside(error)
                return self._open()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise ConfigError(f"coordinator.store: {self.path} can't be used: {_text(error)}") from None
        except ConfigError:
            self.close()
            raise

    def check(self) -> None:
        """Raise `ConfigError` naming `coordinator.store` if the file exists and cannot be used. Changes nothing.

        A damaged file can be used, because `open` replaces it, and so can one that is in use.
        """
        try:
            if self.path.exists() and not self.path.is_file():
                raise ConfigError(f"coordinator.store: {self.path} can't be used: it is not a file")
            os.close(os.open(self.path, os.O_RDWR | os.O_CLOEXEC))
            # Otherwise SQLite would take over what a crash left, or leave files of its own.
            unchanged = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
            with closing(sqlite3.connect(unchanged, uri=True)) as connection:
                _check_version(connection, self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise ConfigError(f"coordinator.store: {self.path} can't be used: {_text(error)}") from None
        except sqlite3.Error:
            return

    def write(self, statements: Iterable[Statement]) -> None:
        """Write all statements, or none. Returns when they are on the disk. Raises `StoreError`."""
        with self._turn:
            self._write(statements)

    def begin_again(self, kept: Kept) -> None:
        """Move a file aside that was damaged while it was open, and write another with this content.

        Raises `StoreError`; it has to be called again then.
        """
        with self._turn:
            if self._lock is None:
                raise StoreError("it is closed")
            try:
                if self._replacing:
                    self._remove_unfinished()
                else:
                    self._move_aside(None)
                    self._replacing = True
                self._open(kept.created_ms)
            except (OSError, sqlite3.Error) as error:
                raise StoreError(_text(error)) from error
            self._write(
                [
                    floor_raised(kept.floor),
                    *(camera_changed(camera, settings) for camera, settings in kept.cameras.items()),
                    *(placed(camera, place) for camera, place in kept.places.items()),
                    *map(drain_begun, kept.drains),
                    *map(camera_hidden, kept.hidden),
                    ttl_kept(kept.ttl_ms),
                ]
            )
            self._replacing = False

    def close(self) -> None:
        """Close the file, after what is being written. May be called again."""
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
            if self._lock is not None:
                os.close(self._lock)  # which ends the lock
                self._lock = None

    def _write(self, statements: Iterable[Statement]) -> None:
        connection = self._connection
        if connection is None:
            raise StoreError("it is closed")
        try:
            connection.execute("BEGIN IMMEDIATE")
            for sql, parameters in statements:
                connection.execute(sql, parameters)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise StoreError(_text(error)) from error

    def _open(self, created_ms: int | None = None) -> Kept:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self.path.chmod(0o600)
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=1.0, check_same_thread=False)
        self._connection = connection
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _check_version(connection, self.path)
        if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(found)
        created = time.time_ns() // 1_000_000 if created_ms is None else created_ms
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO numbers VALUES ('created_ms', ?), ('floor', ?)", (created, created))
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
        return self._read(connection)

    @staticmethod
    def _read(connection: sqlite3.Connection) -> Kept:
        numbers: dict[str, int] = dict(connection.execute("SELECT name, value FROM numbers"))
        try:
            cameras = {
                name: None if settings is None else json.loads(settings)
                for name, settings in connection.execute("SELECT camera, settings FROM cameras")
            }
            hidden = [json.loads(body) for (body,) in connection.execute("SELECT body FROM hidden")]
            return Kept(
                numbers["created_ms"],
                numbers["floor"],
                cameras,
                {row[0]: LastPlace(*row[1:]) for row in connection.execute("SELECT * FROM places")},
                frozenset(name for (name,) in connection.execute("SELECT name FROM drains")),
                hidden,
                numbers.get("ttl_ms", 0),
            )
        except (ValueError, KeyError) as error:
            raise sqlite3.DatabaseError(f"its content is damaged: {error}") from None

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _remove_unfinished(self) -> None:
        self._disconnect()
        for ending in ("-wal", "-shm", ""):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    def _move_aside(self, error: sqlite3.Error | None) -> None:
        self._disconnect()
        aside = self._free_name()
        logger.error(
            "coordinator.store: %s is damaged%s; it is moved to %s, and rebuilt from the engines' reports",
            self.path,
            f" ({_text(error)})" if error is not None else "",
            aside,
        )
        for ending in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + ending).replace(aside.with_name(aside.name + ending))

    def _free_name(self) -> Path:
        """Return where a damaged file is moved: never over an earlier one."""
        first = self.path.with_name(self.path.name + DAMAGED)
        names = (first, *(first.with_name(f"{first.name}{number}") for number in range(2, MOST_DAMAGED)))
        return next((name for name in names if not name.exists()), first.with_name(f"{first.name}{MOST_DAMAGED}"))


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise ConfigError(f"coordinator.store: {path} is of a newer version of partstream")


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite's error says that the file is damaged, so that writing again is of no use."""
    return isinstance(error, sqlite3.DatabaseError) and (getattr(error, "sqlite_errorcode", 0) & 0xFF) in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    )


def _text(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
