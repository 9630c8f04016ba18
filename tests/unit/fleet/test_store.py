"""The controller's file: what it keeps, and what it refuses."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from fleet import store as stored
from fleet.store import Kept, Store, StoreError
from stream.settings.config_error import ConfigError


def opened(path: Path) -> Store:
    store = Store(path / "fleet.db" if path.is_dir() else path)
    store.open()
    return store


def content(path: Path) -> Kept:
    """Return what a controller finds that starts now."""
    store = Store(path)
    try:
        return store.open()
    finally:
        store.close()


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    cameras = [stored.camera_kept("door", {"source": "pattern:"}, None), stored.camera_kept("yard", None, {})]
    cameras += [stored.camera_kept("gone", None, {}), stored.camera_kept("gone", {}, {})]
    places = [stored.placed("door", (7, "engine-1")), stored.placed("door", (8, "engine-2"))]
    places += [stored.placed("dock", (9, None)), stored.placed("yard", (8, None)), stored.placed("yard", None)]
    drains = [stored.drained(name, drains) for name, drains in (("engine-1", True), ("b", True), ("b", False))]
    hidden = [stored.camera_hidden("door", [{"id": "door", "masks": masks}]) for masks in ({"a": 1}, {})]
    store.write([*cameras, *places, *drains, *hidden])
    store.close()
    assert content(store.path) == Kept(
        {"door": {"source": "pattern:"}, "yard": None},
        {"door": (8, "engine-2"), "dock": (9, None)},
        frozenset({"engine-1"}),
        [{"id": "door", "masks": {}}],
    )


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "fleet.db").touch(0o644)
    for store in (opened(tmp_path), opened(tmp_path / "new" / "fleet.db")):
        store.write([stored.drained("engine-1", True)])
        files = [path for path in store.path.parent.iterdir() if path.is_file()]
        assert {"fleet.db", "fleet.db-wal"} <= {path.name for path in files}
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        store.close()


def test_all_statements_are_written_or_none(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(StoreError, match="nowhere"):
        store.write([stored.drained("engine-1", True), ("INSERT INTO nowhere VALUES (1)", ())])
    store.write([stored.drained("engine-2", True)])
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.write([])
    assert content(store.path).drains == {"engine-2"}


def test_a_second_controller_cannot_use_the_file_until_the_first_has_ended(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(ConfigError, match=rf"controller\.store: .* in use by another controller \(.*{os.getpid()}"):
        Store(store.path).open()
    store.close()
    content(store.path)


def test_what_is_not_a_store_of_this_version_is_left_alone_and_the_error_names_the_setting(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    for content in (path.read_bytes(), b"not a database" * 100, b"SQLite format 3\0" + bytes(range(256)) * 40):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"controller\.store: "):
            Store(path).open()
        assert path.read_bytes() == content
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("fleet.db/fleet.db", "folder", "pipe"):
        with pytest.raises(ConfigError, match=r"controller\.store: "):
            Store(tmp_path / name).open()
