"""Damaged databases of incidents: which are put aside, and which are not."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stream.incidents import database, store
from stream.incidents.database import DAMAGED, MOST_DAMAGED, NAME
from stream.incidents.incident import IncidentQuery
from stream.incidents.store import IncidentStore, StoreUnavailableError
from support.incidents import JPEG, alert, frame, give, opened
from support.waiting import wait_until


def aside(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{NAME}{DAMAGED}*"))


def ids(made: IncidentStore) -> list[str]:
    return [one.id for one in made.find(IncidentQuery())]


def test_a_closed_connection_is_not_a_damaged_database() -> None:
    connection = sqlite3.connect(":memory:")
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError) as caught:
        connection.execute("SELECT 1")
    assert not database.is_damaged(caught.value)


def test_a_connection_is_closed_once_no_thread_can_get_it(tmp_path: Path) -> None:
    made = opened(tmp_path)
    actual, given = made._database, list[Any]()
    assert actual is not None

    class Connection:
        def close(self) -> None:
            given.append(made._database)
            actual.close()

    made._database = Connection()  # pyright: ignore[reportAttributeAccessIssue]
    made.close()
    assert given == [None]


def test_a_closed_store_stays_closed_and_its_database_stays_in_place(tmp_path: Path) -> None:
    made = opened(tmp_path)
    give(made, alert(1))
    made.close()
    made.keep(["0123abcd-1"], frame(1), JPEG)
    with pytest.raises(StoreUnavailableError, match=r"."):
        made.set_verdict(["0123abcd-1"], "right", None, "Ann", 5)
    assert made._database is None and not aside(tmp_path)
    assert not list(tmp_path.glob("pictures/*")) and made.pictures_lost == 1


def test_a_database_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    first = opened(tmp_path)
    give(first, alert(1))
    first.close()
    with sqlite3.connect(tmp_path / NAME) as connection:
        connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    second = opened(tmp_path)
    assert (second.condition.state, aside(tmp_path)) == ("unwritable", [])
    assert f"version {database.VERSION + 1}" in second.condition.message
    assert ids(second) == ["0123abcd-1"]
    second.close()


def test_a_journal_is_put_aside_with_its_database_and_deleted_with_it(tmp_path: Path) -> None:
    for number in range(MOST_DAMAGED + 2):
        (tmp_path / NAME).write_text(str(number))
        (tmp_path / f"{NAME}-wal").write_text(f"journal {number}")
        name = database.put_aside(tmp_path)
        assert Path(f"{name}-wal").read_text() == f"journal {number}"
    assert [path.read_text() for path in aside(tmp_path)] == ["2", "journal 2", "3", "journal 3"]


def corrupt() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def damage(made: IncidentStore, folder: Path) -> None:
    """Overwrite most of the database of an open store."""
    connection = made._database
    assert connection is not None

    def written_out() -> bool:
        try:  # the store's own threads may be reading
            return connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        except sqlite3.OperationalError:
            return False

    wait_until(written_out)
    with (folder / NAME).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 40_000)


def test_damage_that_is_found_while_pictures_are_compared_is_repaired(tmp_path: Path) -> None:
    first = opened(tmp_path)
    give(first, alert(1))
    for number in range(1, 100):
        first.keep([], frame(number), JPEG)
    assert first._database is not None
    (page,) = first._database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'pictures'").fetchone()
    first.close()
    with (tmp_path / NAME).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    second = opened(tmp_path)
    give(second, alert(2))
    assert (second.condition.state, ids(second)) == ("ready", ["0123abcd-2"])
    assert second.bytes_kept == 99 * len(JPEG) and aside(tmp_path)
    second.close()


def test_late_readers_of_a_damaged_database_leave_the_new_one_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "TICK_S", 0.02)
    monkeypatch.setattr(database, "confirm_damage", lambda folder: True)  # so that only the reader's age counts
    made = opened(tmp_path)
    give(made, *(alert(number) for number in range(1, 300)))
    damage(made, tmp_path)
    with pytest.raises(StoreUnavailableError), made._reading():
        with pytest.raises(StoreUnavailableError):
            made.find(IncidentQuery())
        wait_until(lambda: len(aside(tmp_path)) == 1)
        give(made, alert(1000))
        raise corrupt()
    wait_until(lambda: made._damage is None)
    give(made, alert(1001))
    assert len(aside(tmp_path)) == 1 and ids(made) == ["0123abcd-1001", "0123abcd-1000"]
    made.close()


def test_damage_that_a_check_does_not_confirm_leaves_the_database_in_place(tmp_path: Path) -> None:
    made = opened(tmp_path)
    give(made, alert(1))
    with pytest.raises(StoreUnavailableError), made._reading():
        raise corrupt()
    wait_until(lambda: made._database is None or aside(tmp_path))
    give(made, alert(2))
    assert (made.condition.state, aside(tmp_path)) == ("ready", []) and ids(made) == ["0123abcd-2", "0123abcd-1"]
    made.close()
