"""What the controller stores: a SQLite file on the head.

It has the cameras that differ from the configuration, what is hidden of cameras, the drains, and the placement of
each camera. A change of a camera is on the disk before it is answered. docs/fleet.md says how the file is backed up.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream import file_lock, output_file
from stream.settings.config_error import ConfigError

VERSION = 3
_TABLES = """
CREATE TABLE IF NOT EXISTS cameras (camera TEXT PRIMARY KEY, settings TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (camera TEXT PRIMARY KEY, generation INTEGER NOT NULL, engine TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drains (engine TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hidden (camera TEXT PRIMARY KEY, known TEXT NOT NULL) WITHOUT ROWID;
"""

Settings = Mapping[str, Any]
Statement = tuple[str, Sequence[object]]
"""SQL and its parameters."""


class StoreError(Exception):
    """Nothing was written. The message says why."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The content of the file."""

    cameras: Mapping[str, Settings | None]
    """Settings of cameras that were added or changed since the configuration; None: it was removed."""
    places: Mapping[str, tuple[int, str | None]]
    """The generation and the engine of each camera that was placed."""
    drains: frozenset[str]
    hidden: Sequence[Mapping[str, Any]]
    """What is hidden of cameras, as `HiddenCamera`."""


def camera_kept(camera: str, settings: Settings | None, configured: Settings | None) -> Statement:
    """Keep a camera's settings if they are not those of the configuration. None: the camera is not there."""
    if settings == configured:
        return "DELETE FROM cameras WHERE camera = ?", (camera,)
    return "INSERT OR REPLACE INTO cameras VALUES (?, ?)", (camera, None if settings is None else json.dumps(settings))


def camera_hidden(camera: str, known: Sequence[Mapping[str, Any]]) -> Statement:
    """Keep all that is known to be hidden of a camera, also after it was removed."""
    return "INSERT OR REPLACE INTO hidden VALUES (?, ?)", (camera, json.dumps(known))


def placed(camera: str, place: tuple[int, str | None] | None) -> Statement:
    """Keep generation and engine of a camera; None: it was removed."""
    if place is None:
        return "DELETE FROM places WHERE camera = ?", (camera,)
    return "INSERT OR REPLACE INTO places VALUES (?, ?, ?)", (camera, *place)


def drained(engine: str, draining: bool) -> Statement:
    """Keep whether an engine is drained."""
    return ("INSERT OR IGNORE INTO drains VALUES (?)" if draining else "DELETE FROM drains WHERE engine = ?"), (engine,)


class Store:
    """The file. Its methods block; any thread may call them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        """For the connection: closing it while another thread writes would crash."""
        self._lock: int | None = None
        self._connection: sqlite3.Connection | None = None

    def open(self) -> Kept:
        """Open or create the file, and return its content.

        Raises `ConfigError` naming `controller.store` if it is in use by another controller, or cannot be used.
        """
        lock = Path(f"{self.path}.lock")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = file_lock.held(lock)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            output_file.check_regular(self.path)  # SQLite would wait for a named pipe
            self.path.chmod(0o600)
            connection = sqlite3.connect(self.path, isolation_level=None, timeout=1.0, check_same_thread=False)
            self._connection = connection
            _check(connection)  # first: nothing is written to a file of another program
            connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")
            connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
            return _read(connection)
        except file_lock.InUseError:
            raise ConfigError(
                f"controller.store: {self.path} is in use by another controller ({file_lock.holder_of(lock)}): stop "
                "that one, or set another file"
            ) from None
        except (OSError, sqlite3.Error, ValueError) as error:
            self.close()
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise ConfigError(
                f"controller.store: {self.path} can't be used: {reason}; move it away, or put a backup in its place "
                f"(docs/fleet.md says what is lost without it)"
            ) from None

    def write(self, statements: Iterable[Statement]) -> None:
        """Write all statements, or none. Returns when they are on the disk. Raises `StoreError`."""
        with self._turn:
            connection = self._connection
            if connection is None:
                raise StoreError("it is closed")
            try:
                connection.execute("BEGIN IMMEDIATE")
                for sql, parameters in statements:
                    connection.execute(sql, parameters)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.rollback()
                raise StoreError(str(error)) from error

    def close(self) -> None:
        """Close the file, after what is being written. May be called again."""
        with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()
            if self._lock is not None:
                os.close(self._lock)  # which ends the lock
                self._lock = None


def _check(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError("it is of another version of partstream")
    if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(found)


def _read(connection: sqlite3.Connection) -> Kept:
    return Kept(
        {
            name: None if settings is None else json.loads(settings)
            for name, settings in connection.execute("SELECT camera, settings FROM cameras")
        },
        {row[0]: (row[1], row[2]) for row in connection.execute("SELECT * FROM places")},
        frozenset(name for (name,) in connection.execute("SELECT engine FROM drains")),
        [hidden for (known,) in connection.execute("SELECT known FROM hidden") for hidden in json.loads(known)],
    )
