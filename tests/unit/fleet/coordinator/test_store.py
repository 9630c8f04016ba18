"""Tests of what the coordinator remembers."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.coordinator import store as stored
from fleet.coordinator.store import Kept, LastPlace, Store, StoreError, is_damage
from stream.settings.config_error import ConfigError


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    store = Store(tmp_path / "fleet.db")
    first = store.open()
    assert (first.floor, dict(first.cameras), dict(first.places)) == (first.created_ms, {}, {})
    store.write(
        [
            stored.camera_changed("door", {"source": "pattern:"}),
            stored.camera_changed("yard", None),
            stored.camera_changed("gone", None),
            stored.camera_as_configured("gone"),
            stored.placed("door", LastPlace(7, "a")),
            stored.placed("door", LastPlace(8, "b", "r")),
            stored.placed("yard", LastPlace(8)),
            stored.place_forgotten("yard"),
            stored.drain_begun("node-1"),
            stored.drain_begun("node-2"),
            stored.drain_ended("node-2"),
            stored.camera_hidden({"id": "door", "address": None}),
            stored.floor_raised(first.floor + 9),
        ]
    )
    store.close()
    assert Store(store.path).open() == Kept(
        first.created_ms,
        first.floor + 9,
        {"door": {"source": "pattern:"}, "yard": None},
        {"door": LastPlace(8, "b", "r")},
        frozenset({"node-1"}),
        [{"id": "door", "address": None}],
    )


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "new" / "fleet.db")
    store.open()
    store.write([stored.drain_begun("a")])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert "fleet.db-wal" in modes


def test_all_statements_are_written_or_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "fleet.db")
    store.open()
    with pytest.raises(StoreError) as error:
        store.write([stored.drain_begun("a"), ("INSERT INTO nowhere VALUES (1)", ())])
    assert not is_damage(error.value.__cause__)
    store.close()
    assert Store(store.path).open().drains == frozenset()


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(range(256)) * 40])
def test_a_damaged_file_is_moved_aside(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fleet.db"
    path.write_bytes(content)
    kept = Store(path).open()
    assert dict(kept.places) == {}
    assert (tmp_path / "fleet.db.damaged").read_bytes() == content


def test_an_earlier_damaged_file_and_what_was_written_last_are_kept(tmp_path: Path) -> None:
    path, wal = tmp_path / "fleet.db", tmp_path / "fleet.db-wal"
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        wal.write_bytes(b"log of " + content)
        store = Store(path)
        store.open()
        store.close()
    assert (tmp_path / "fleet.db.damaged").read_bytes() == b"first" * 1000
    assert (tmp_path / "fleet.db.damaged2").read_bytes() == b"second" * 1000


def test_a_damaged_entry_counts_as_a_damaged_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "fleet.db")
    store.open()
    store.write([("INSERT INTO cameras VALUES ('a', '{')", ())])
    store.close()
    again = Store(store.path)
    assert dict(again.open().cameras) == {}
    again.write([stored.drain_begun("a")])
    assert (tmp_path / "fleet.db.damaged").exists()


def test_a_file_that_is_damaged_while_it_is_open_is_replaced_with_all_its_content(tmp_path: Path) -> None:
    store = Store(tmp_path / "fleet.db")
    created = store.open().created_ms
    kept = Kept(created, created + 3, {"a": None}, {"b": LastPlace(created)}, frozenset({"n"}), [{"id": "a"}], 500)
    store.begin_again(kept)
    store.close()
    assert Store(store.path).open() == kept


def test_a_damaged_file_is_replaced_also_if_that_fails_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "fleet.db")
    created = store.open().created_ms
    kept = Kept(created, created, {"a": None}, {"b": LastPlace(created)}, frozenset({"n"}), [], 500)
    with monkeypatch.context() as patch:
        patch.setattr(stored, "drain_begun", lambda _: ("INSERT INTO nowhere VALUES (1)", ()))
        with pytest.raises(StoreError, match="nowhere"):  # the new file is there, without its content
            store.begin_again(kept)
    with monkeypatch.context() as patch:
        patch.setattr(stored, "_TABLES", "nothing")
        with pytest.raises(StoreError, match="nothing"):  # the new file is without its tables
            store.begin_again(kept)
    store.begin_again(kept)
    store.write([stored.drain_begun("m")])
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.begin_again(kept)
    assert [path.name for path in tmp_path.glob("*.damaged*")] == ["fleet.db.damaged"]
    assert Store(store.path).open() == replace(kept, drains=frozenset({"n", "m"}))


def test_a_damaged_file_is_replaced_also_if_the_new_one_could_not_be_made_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "fleet.db")
    created = store.open().created_ms
    kept = Kept(created, created, {}, {"b": LastPlace(created)}, frozenset(), [], 500)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", full)
        with pytest.raises(StoreError, match="Too many"):
            store.begin_again(kept)
    store.begin_again(kept)
    store.close()
    assert Store(store.path).open() == kept


def test_a_second_coordinator_cannot_use_the_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "fleet.db")
    store.open()
    with pytest.raises(ConfigError, match=r"coordinator\.store: .* in use by another coordinator"):
        Store(store.path).open()
    store.close()
    Store(store.path).open()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer version"):
        Store(path).open()
    assert path.exists()


def test_a_check_changes_no_file_of_a_store_that_was_closed_or_that_a_crash_left(tmp_path: Path) -> None:
    crashed, closed = tmp_path / "crash #1", tmp_path / "closed"
    closed.mkdir()
    store = Store(closed / "fleet.db")
    store.open()
    store.write([stored.drain_begun("node-1")])
    shutil.copytree(closed, crashed)
    store.close()
    for folder in (crashed, closed):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        Store(folder / "fleet.db").check()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert Store(crashed / "fleet.db").open().drains == {"node-1"}


def test_an_error_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"coordinator\.store: .*file/fleet\.db can't be used"):
        Store(tmp_path / "file" / "fleet.db").open()


def test_it_may_be_closed_while_another_thread_writes(tmp_path: Path) -> None:
    store = Store(tmp_path / "fleet.db")
    store.open()
    outcomes: list[str] = []
    written = threading.Event()

    def write() -> None:
        try:
            while True:
                store.write([stored.drain_begun(f"n{number}") for number in range(200)])
                written.set()
        except StoreError as error:
            outcomes.append(str(error))

    thread = threading.Thread(target=write)
    thread.start()
    written.wait()
    store.close()
    thread.join()
    assert outcomes == ["it is closed"]
    assert len(Store(store.path).open().drains) == 200


def test_a_named_pipe_can_not_be_used(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fleet.db", 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        Store(tmp_path / "fleet.db").check()
